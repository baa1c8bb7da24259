"""What audits tell apps above them; sent inside the transaction that makes it true."""

from django.dispatch import Signal

__all__ = ["policy_changed", "run_ended"]

run_ended = Signal()
"""A run was measured, failed or cancelled: `run`."""
policy_changed = Signal()
"""A policy has a new version: `policy_version`."""
