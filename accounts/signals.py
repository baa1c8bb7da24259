"""What accounts tell apps above them; sent inside the transaction that makes it true."""

from django.dispatch import Signal

__all__ = ["timezone_changed"]

timezone_changed = Signal()
"""An organisation moved to another time zone: `organisation`."""
