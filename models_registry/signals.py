"""What the registry tells apps above it; sent inside the transaction that makes it true."""

from django.dispatch import Signal

__all__ = ["subject_read", "version_changed"]

subject_read = Signal()
"""A Subject has been read or refused: `subject`."""
version_changed = Signal()
"""A model or dataset version became ready (`version`), or a system's deployed version changed."""
