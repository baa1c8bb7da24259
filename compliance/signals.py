"""What reviews tell apps above them; sent inside the transaction that makes it true."""

from django.dispatch import Signal

__all__ = ["review_decided", "review_revoked", "review_submitted"]

review_submitted = Signal()
"""An audit was submitted for a decision: `review`."""
review_decided = Signal()
"""A reviewer approved, rejected or asked for changes: `review`."""
review_revoked = Signal()
"""A decision was taken back: `review`."""
