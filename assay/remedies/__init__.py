"""Remedies: one file each; what changes a model and proves nothing by itself."""
