"""Numbers, intervals, counts, dates and names as a reader sees them: the one place that decides.

A value is printed with as many digits as its unit deserves, never with machine precision; a small but
non-zero value never reads as zero; minus is a true minus sign.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from assay.contracts import Measure
from assay.policy.wording import subject_of

__all__ = [
    "BARE",
    "about",
    "count",
    "duration",
    "group",
    "instant",
    "interval",
    "measured_interval",
    "plural",
    "setting",
    "short",
    "significant",
    "timestamp",
    "titled",
    "value",
]

_DECIMALS = {"ratio": 2, "share": 3, "difference": 3, "score": 3, "p-value": 3, "probability": 3}
BARE = frozenset({"share", "ratio", "difference", "count", "score", "p-value", "probability"})
"""Units that need no word beside the number."""
_RAISED = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
_COUNTS = {"count", "rows", "persons", "groups"}


def count(number: float | None) -> str:
    """Whole number with thousands separators; "–" when there is none."""
    return "–" if number is None else f"{number:,.0f}".replace("-", "−")


def value(number: float | None, unit: str = "share") -> str:
    """A measured value in the digits of its unit.

    Ratios get two decimals, shares, differences, scores and p-values three, counts none, and values in
    any other unit four significant digits. What would round to zero reads "<0.001".
    """
    if number is None:
        return "–"
    if unit in _COUNTS:
        return count(number)
    places = _DECIMALS.get(unit)
    if places is None:
        return significant(number)
    smallest = 10.0**-places
    if unit == "p-value" and number < smallest:
        return f"<{smallest:.{places}f}"
    if number != 0 and abs(number) < smallest / 2:
        return f"<{smallest:.{places}f}" if number > 0 else f">−{smallest:.{places}f}"
    return f"{number:,.{places}f}".replace("-", "−")


def significant(number: float, digits: int = 4) -> str:
    """The number in `digits` significant digits, more only where whole numbers need them."""
    if number == 0:
        return "0"
    magnitude = abs(number)
    if magnitude >= 1e9 or magnitude < 1e-4:
        lead, _, power = f"{number:.2e}".partition("e")
        return lead.replace("-", "−") + " × 10" + str(int(power)).translate(_RAISED)
    if magnitude >= 10 ** (digits - 1):
        return count(number)
    rounded = float(f"{number:.{digits}g}")
    return f"{rounded:,.{digits}g}".replace("-", "−")


def interval(low: float | None, high: float | None, unit: str = "share") -> str:
    """ "0.34 to 0.38"; an open side is named, no interval is "–"."""
    if low is None and high is None:
        return "–"
    if high is None:
        return f"{value(low, unit)} and above"
    if low is None:
        return f"up to {value(high, unit)}"
    return f"{value(low, unit)} to {value(high, unit)}"


def titled(title: str, unit: str) -> str:
    """ "Latency (ms)"; a title alone where the unit is a bare number, a share or the like."""
    return title if unit in BARE else f"{title} ({unit})"


def plural(number: int, word: str, many: str | None = None) -> str:
    """ "1 rule", "2 rules"."""
    return f"{count(number)} {word if number == 1 else many or word + 's'}"


def group(slice_: Mapping[str, str]) -> str:
    """The rows that a measure stands for: "Black, Female", or "all rows"."""
    return ", ".join(slice_.values()) if slice_ else "all rows"


def setting(measure: Measure) -> str:
    """Group, comparison and setting of a measure in one line: "Female / Male", "over sex"."""
    if measure.over is not None and not measure.slice:
        return ", ".join([f"over {measure.over}", *(f"{key} {text}" for key, text in measure.at.items())])
    return subject_of(measure)


def measured_interval(measure: Measure) -> str:
    """The interval of a measure; "exact" where a count or share of the very rows leaves nothing open."""
    if measure.interval_method == "exact":
        return "exact"
    return interval(measure.low, measure.high, measure.unit)


def about(rows: int | None) -> str:
    """A number of rows that would settle a question, in the two digits that "about" can carry."""
    if rows is None:
        return "no number of rows"
    if rows > 10_000_000:
        return "more than 10 million"
    step = 10 ** max(len(str(rows)) - 2, 0)
    return count(-(-rows // step) * step)


def short(digest: str, length: int = 8) -> str:
    """The first digits of a digest, as printed beside a value."""
    return digest[:length]


def instant(text: str) -> str:
    """ "22 November 2026, 10:45:53 UTC" from ISO 8601; what is not a time stays as it is."""
    moment = _moment(text)
    if moment is None:
        return text
    return f"{moment.day} {moment:%B %Y}, {moment:%H:%M:%S} UTC"


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def timestamp(text: str) -> int:
    """Seconds since 1970 of an ISO 8601 time; 0 when it is none, so that a document stays reproducible."""
    moment = _moment(text)
    return int(moment.timestamp()) if moment else 0


def duration(seconds: float) -> str:
    """ "0.4 s", "48 s", "3 min 20 s"."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    return f"{whole} s" if whole < 120 else f"{whole // 60} min {whole % 60} s"
