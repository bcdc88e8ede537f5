"""Classes of patches: from folders, names of files and tables."""
