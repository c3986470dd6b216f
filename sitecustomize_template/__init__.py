"""The directory that `autotrace run` puts first on PYTHONPATH."""
