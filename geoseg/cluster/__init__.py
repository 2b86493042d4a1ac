"""Cluster: Dask clients and workers, the journal, and the loop over blocks."""
