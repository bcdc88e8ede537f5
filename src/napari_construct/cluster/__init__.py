"""Several processes, on one machine or many, that share one job; dask.distributed moves the parts."""
