"""A small SVG writer for charts: sizes, type, ticks, escaping.

Charts are laid out in points at the size at which they are printed, with text as text (searchable,
readable by screen readers through the figure's alternative). Writing SVG directly takes about a
millisecond a chart and runs no script engine over user data; docs/adr has the comparison.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

from assay.report.palette import INK, SOFT, STYLES

__all__ = [
    "FULL",
    "HALF",
    "Canvas",
    "LogScale",
    "Scale",
    "fit",
    "gutter",
    "ramp",
    "tick_texts",
    "ticks",
    "wrap",
]

FULL = 468.0
"""Width in points of a figure as wide as the text."""
HALF = 226.0
"""Width in points of one of two figures side by side."""
FONT = "Libertinus Serif, Palatino Linotype, Palatino, Georgia, serif"

LETTER = 0.44
"""Mean width of a letter of Libertinus Serif in parts of its size."""


def fit(text: str, width: float, size: float = 9.5) -> str:
    """`text` cut to about `width` points at `size`, with an ellipsis where it was cut."""
    most = max(4, int(width / (size * LETTER)))
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def wrap(text: str, width: float, size: float = 9.5) -> list[str]:
    """`text` on one line, or on two broken at a space, the second cut to `width`."""
    most = max(4, int(width / (size * LETTER)))
    if len(text) <= most:
        return [text]
    space = text.rfind(" ", most // 2, most + 1)
    if space < 0:
        return [fit(text, width, size)]
    return [text[:space], fit(text[space + 1 :], width, size)]


def gutter(labels: Sequence[str], extra: float = 0.0) -> float:
    """Width of the column of row labels: as the longest needs, within 92 to 240 points."""
    longest = max((len(label) for label in labels), default=0)
    return min(240.0, max(92.0, longest * 9.5 * LETTER + 14.0) + extra)


def ramp(share: float) -> str:
    """A colour from paper to accent for share in [0, 1]; monotone in lightness, so grey print keeps it."""
    low, high = (246, 247, 249), (39, 75, 122)
    part = min(1.0, max(0.0, share))
    return "#" + "".join(f"{round(a + (b - a) * part):02x}" for a, b in zip(low, high, strict=True))


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers (1, 2 or 5 times a power of ten) inside [low, high], at most `most` of them."""
    if not high > low:
        return [low]
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    for step in (power, 2 * power, 5 * power, 10 * power, 20 * power):
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first + 1 <= most:
            return [number * step for number in range(first, last + 1)]
    return [low, high]


def tick_texts(values: Sequence[float]) -> list[str]:
    """All ticks of an axis with the same number of decimals, just enough to tell them apart."""
    step = min((abs(b - a) for a, b in itertools.pairwise(values)), default=1.0) or 1.0
    places = max(0, min(6, -math.floor(math.log10(step) + 1e-9)))
    return [f"{value + 0.0:,.{places}f}".replace("-", "−") for value in values]


class Scale:
    """Linear map from [low, high] to pixels [start, stop]; values outside are held at the ends."""

    def __init__(self, low: float, high: float, start: float, stop: float) -> None:
        self.low, self.high, self.start, self.stop = low, high, start, stop

    def __call__(self, value: float) -> float:
        span = self.high - self.low
        part = 0.5 if span == 0 else min(1.0, max(0.0, (value - self.low) / span))
        return self.start + part * (self.stop - self.start)

    def holds(self, value: float | None) -> bool:
        return value is not None and self.low <= value <= self.high

    def marks(self, most: int = 6) -> list[tuple[float, str]]:
        """Where the axis is labelled, and with what."""
        values = ticks(self.low, self.high, most)
        return list(zip(values, tick_texts(values), strict=True))


class LogScale(Scale):
    """The same for the logarithm; both ends above 0."""

    def __call__(self, value: float) -> float:
        if value <= self.low or self.high <= self.low:
            return self.start
        part = min(1.0, math.log(value / self.low) / math.log(self.high / self.low))
        return self.start + part * (self.stop - self.start)

    def marks(self, most: int = 6) -> list[tuple[float, str]]:
        """Powers of ten; 1, 2 and 5 times them where that leaves fewer than three."""
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        for steps in ((1,), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9)):
            values = [step * 10.0**power for power in range(first, last + 1) for step in steps]
            inside = [v for v in values if self.low * (1 - 1e-9) <= v <= self.high * (1 + 1e-9)]
            if len(inside) >= 3:
                break
        kept = inside[:: -(-len(inside) // most)] if inside else [self.low, self.high]
        return [(value, f"{value:,.0f}" if value >= 1000 else f"{value:.6g}") for value in kept]


class Canvas:
    """Collects drawing elements; every text and attribute is escaped here and nowhere else."""

    def __init__(self, width: float, height: float) -> None:
        self.width, self.height = width, height
        self._parts: list[str] = []

    def _add(self, tag: str, body: str | None = None, **attributes: str | float | None) -> None:
        pieces = [f"<{tag}"]
        for name, value in attributes.items():
            if value is not None:
                text = f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float | int) else value
                pieces.append(f" {name.replace('_', '-')}={quoteattr(text)}")
        pieces.append("/>" if body is None else f">{escape(body)}</{tag}>")
        self._parts.append("".join(pieces))

    def line(
        self,
        x1: float,
        y1: float,
        x2: float,
        y2: float,
        colour: str,
        width: float = 1,
        dash: str | None = None,
    ) -> None:
        self._add(
            "line", x1=x1, y1=y1, x2=x2, y2=y2, stroke=colour, stroke_width=width, stroke_dasharray=dash
        )

    def rect(
        self, x: float, y: float, width: float, height: float, fill: str, stroke: str | None = None
    ) -> None:
        self._add("rect", x=x, y=y, width=max(0.0, width), height=max(0.0, height), fill=fill, stroke=stroke)

    def path(
        self,
        steps: str,
        stroke: str | None = None,
        width: float = 1.5,
        fill: str = "none",
        dash: str | None = None,
    ) -> None:
        self._add(
            "path",
            d=steps,
            fill=fill,
            stroke=stroke,
            stroke_width=width if stroke else None,
            stroke_dasharray=dash,
            stroke_linejoin="round" if stroke else None,
        )

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        anchor: str = "start",
        size: float = 9.5,
        colour: str = INK,
        bold: bool = False,
        turn: bool = False,
    ) -> None:
        """Text whose middle height is at y."""
        self._add(
            "text",
            text,
            x=x,
            y=y + size * 0.32,
            text_anchor=None if anchor == "start" else anchor,
            font_size=size,
            fill=colour,
            font_weight="bold" if bold else None,
            transform=f"rotate(-90 {x:.1f} {y:.1f})" if turn else None,
        )

    def mark(self, x: float, y: float, outcome: str) -> None:
        """The mark of an outcome: another shape for each, so that grey print can tell them apart."""
        style, r = STYLES[outcome], 3.4
        colour = style.colour
        if outcome == "fail":
            self.path(f"M{x - r:.1f} {y - r:.1f}l{2 * r} {2 * r}m0 {-2 * r}l{-2 * r} {2 * r}", colour, 2.1)
        elif outcome == "warn":
            self.path(
                f"M{x:.1f} {y - r - 0.6:.1f}l{r + 0.8} {2 * r + 0.4}h{-2 * (r + 0.8)}z", colour, 1, colour
            )
        elif outcome == "shown":
            self.path(f"M{x:.1f} {y - r:.1f}l{r} {r}l{-r} {r}l{-r} {-r}z", colour, 1, colour)
        elif outcome == "not_tested":
            self.line(x - r, y, x + r, y, colour, 2)
        else:
            fill = colour if outcome == "pass" else "#ffffff"
            self._add("circle", cx=x, cy=y, r=r, fill=fill, stroke=colour, stroke_width=1.6)

    def axis(
        self,
        scale: Scale,
        y: float,
        top: float,
        title: str | None,
        colour: str,
        most: int = 6,
        *,
        given: Sequence[tuple[float, str]] | None = None,
    ) -> None:
        """A horizontal axis at height y: thin grid lines up to `top`, labels (`given` or round), title."""
        for value, text in given or scale.marks(most):
            self.line(scale(value), top, scale(value), y, colour, 0.6)
            self.text(scale(value), y + 8, text, anchor="middle", size=8.5, colour=SOFT)
        if title:
            self.text((scale.start + scale.stop) / 2, y + 21, title, anchor="middle", size=9, colour=SOFT)

    def svg(self) -> str:
        """The whole chart as one SVG element without background."""
        width, height = f"{self.width:g}", f"{self.height:g}"
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" font-family="{FONT}">{"".join(self._parts)}</svg>'
        )
