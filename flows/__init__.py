"""WHEN and WHERE: the only package that imports prefect, dask or distributed."""
