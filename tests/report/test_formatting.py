from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.report import formatting as fmt


@pytest.mark.parametrize(
    ("number", "unit", "printed"),
    [
        (0.3641, "ratio", "0.36"),
        (0.11428, "share", "0.114"),
        (-0.0213, "difference", "−0.021"),
        (0.0001, "share", "<0.001"),
        (-0.0001, "difference", ">−0.001"),
        (0.0, "share", "0.000"),
        (0.0, "p-value", "<0.001"),
        (16281, "count", "16,281"),
        (1234.5678, "label units", "1,235"),
        (0.0123456, "seconds", "0.01235"),
        (2.5e-7, "seconds", "2.50 × 10⁻⁷"),
        (None, "share", "–"),
    ],
)
def test_a_value_has_the_digits_of_its_unit(number: float | None, unit: str, printed: str) -> None:
    assert fmt.value(number, unit) == printed


@given(st.floats(min_value=1e-12, max_value=1.0))
def test_a_value_above_zero_never_reads_as_zero(number: float) -> None:
    assert fmt.value(number, "share").strip("0.") != ""


@given(
    st.floats(allow_nan=False, allow_infinity=False, width=32), st.sampled_from(["share", "ratio", "metres"])
)
def test_no_value_has_machine_precision(number: float, unit: str) -> None:
    assert len(fmt.value(number, unit).partition(".")[2]) <= 12


def test_an_open_interval_names_its_closed_side() -> None:
    assert fmt.interval(0.34, 0.38, "ratio") == "0.34 to 0.38"
    assert fmt.interval(0.34, None, "ratio") == "0.34 and above"
    assert fmt.interval(None, 0.38, "ratio") == "up to 0.38"


def test_rows_that_would_settle_are_rounded_up_to_two_digits() -> None:
    assert fmt.about(1_028_332) == "1,100,000"
    assert fmt.about(240) == "240"
    assert fmt.about(3_000_000_000) == "more than 10 million"
    assert fmt.about(None) == "no number of rows"


def test_times_are_utc_and_reproducible() -> None:
    assert fmt.instant("2026-11-22T11:29:28+02:00") == "22 November 2026, 09:29:28 UTC"
    assert fmt.timestamp("1970-01-02T00:00:00+00:00") == 86_400
    assert fmt.timestamp("no time") == 0
    assert fmt.duration(200) == "3 min 20 s"
