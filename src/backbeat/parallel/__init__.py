"""Work in other processes, with bounds of time and memory, here or on a Dask cluster."""
