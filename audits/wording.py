"""Durations, sizes, counts and states in words, for pages."""

from __future__ import annotations

from audits.models import RunState

__all__ = ["STATE_LOOKS", "TIERS", "bytes_in_words", "count_in_words", "rough", "seconds_in_words"]

TIERS: dict[str, tuple[str, str]] = {
    "quick": (
        "Quick",
        "A first look in seconds to a few minutes. Few resamples and few explained or attacked rows, so "
        "intervals are wide and more rules stay undecided. Nothing reads passed because of it.",
    ),
    "standard": (
        "Standard",
        "For reviews and comparisons. Enough resamples that intervals are stable in the digits shown.",
    ),
    "deep": (
        "Deep",
        "For decisions that will be questioned. Many more resamples, rows and attack restarts; takes about "
        "ten times as long as standard.",
    ),
}
"""Tier -> title and what it means."""

STATE_LOOKS: dict[str, tuple[str, str]] = {
    RunState.DRAFT: ("none", "none"),
    RunState.WAITING: ("none", "open"),
    RunState.RUNNING: ("none", "open"),
    RunState.DONE: ("pass", "pass"),
    RunState.INCOMPLETE: ("warn", "warn"),
    RunState.FAILED: ("fail", "fail"),
    RunState.CANCELLED: ("none", "none"),
}
"""State -> colour and mark of portal's `status`."""


def rough(seconds: float) -> int:
    """Seconds rounded so that a page that shows them does not change every moment."""
    step = 1 if seconds < 10 else 5 if seconds < 60 else 10 if seconds < 600 else 60
    return int(seconds // step * step)


def seconds_in_words(seconds: float) -> str:
    """ "3 s", "25 s", "4 min", "1 h 10 min"."""
    if seconds < 1:
        return "less than a second"
    if seconds < 60:
        return f"{round(seconds)} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        left = round(seconds) % 60
        return f"{int(seconds // 60)} min {left} s" if seconds < 300 and left else f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if minutes % 60 else f"{minutes // 60} h"


def bytes_in_words(size: float) -> str:
    """ "310 MB", "1.2 GB"."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            value = size / factor
            return f"{value:.1f} {unit}" if value < 10 and unit == "GB" else f"{value:.0f} {unit}"
    return f"{size:.0f} bytes"


def count_in_words(count: float) -> str:
    """ "no", "12,300", "1.3 million"."""
    if not count:
        return "no"
    if count >= 1e9:
        return f"{count / 1e9:.1f} billion"
    return f"{count / 1e6:.1f} million" if count >= 1e6 else f"{count:,.0f}"
