"""Every colour that text is set in keeps a contrast of 4.5:1 on every ground, light and dark (WCAG 1.4.3)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

STYLES = Path("portal/static/portal/assay.css").read_text()
PAIRS = dict(re.findall(r"--([a-z-]+): light-dark\((#[0-9a-f]{6}, #[0-9a-f]{6})\)", STYLES))


def contrast(one: str, other: str) -> float:
    """WCAG 2.2's contrast ratio."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


GROUNDS = {
    **dict.fromkeys(("ink", "soft", "accent", "pass", "warn", "fail", "none"), ("paper", "card", "wash")),
    "on-accent": ("accent",),
}


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("ink", GROUNDS)
def test_text_can_be_read(ink: str, theme: int) -> None:
    for ground in (*GROUNDS[ink], *([f"{ink}-wash"] if f"{ink}-wash" in PAIRS else [])):
        found = contrast(PAIRS[ink].split(", ")[theme], PAIRS[ground].split(", ")[theme])
        assert found >= 4.5, f"{ink} on {ground}: {found:.2f}"


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_ink_can_be_read_in_every_banner_and_edges_of_controls_be_seen(theme: int) -> None:
    for wash in ("pass-wash", "warn-wash", "fail-wash", "none-wash", "accent-wash"):
        assert contrast(PAIRS["ink"].split(", ")[theme], PAIRS[wash].split(", ")[theme]) >= 4.5
    for ground in ("paper", "card"):
        assert contrast(PAIRS["edge"].split(", ")[theme], PAIRS[ground].split(", ")[theme]) >= 3
