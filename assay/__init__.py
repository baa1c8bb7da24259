"""Assay: measured evidence bound to a signed decision."""

__version__ = "0.4.0"
