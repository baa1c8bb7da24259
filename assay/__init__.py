"""Assay: measured evidence bound to a signed decision."""

__version__ = "0.1.0"
