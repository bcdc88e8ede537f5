"""The fast way: the kernels as low-rank operators on a coarse grid."""
