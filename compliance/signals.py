"""What compliance tells apps above it; sent with `review`, inside the transaction that makes it true."""

from django.dispatch import Signal

__all__ = ["review_decided", "review_revoked", "review_submitted"]

review_submitted = Signal()
"""A review was asked for: `review`."""
review_decided = Signal()
"""A review was approved, rejected, or sent back for changes: `review`."""
review_revoked = Signal()
"""An approval was taken back: `review`."""
