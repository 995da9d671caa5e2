"""arqsvc: a job service for genomics. This module holds the version, nothing else."""

__version__ = "0.1.0"
