"""When a schedule is due: in its time zone, through clock changes, after downtimes of any length."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from assay.errors import BadInput
from jobs.schedule_times import check_cron, due_times, in_words, next_times, zone_of

BERLIN = zone_of("Europe/Berlin")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_times_are_the_organisations_own() -> None:
    summer, winter = at("2026-10-24 12:00"), at("2026-10-26 12:00")
    assert next_times("0 3 * * *", BERLIN, summer) == [at("2026-10-25 02:00")]
    assert next_times("0 3 * * *", BERLIN, winter) == [at("2026-10-27 02:00")]
    assert next_times("0 3 * * *", BERLIN, at("2026-07-01 12:00")) == [at("2026-07-02 01:00")]
    assert next_times("0 3 * * *", zone_of("No/Where"), winter) == [at("2026-10-27 03:00")]


def test_a_time_that_the_clocks_skip_is_due_right_after_the_gap_and_once() -> None:
    # 29 March 2026: 02:00 becomes 03:00 in Berlin, which is 01:00 UTC.
    found = next_times("0,30 2,3 * * *", BERLIN, at("2026-03-28 23:00"), 3)
    assert found == [at("2026-03-29 01:00"), at("2026-03-29 01:30"), at("2026-03-30 00:00")]
    assert next_times("30 2 * * *", BERLIN, at("2026-03-29 01:00")) == [at("2026-03-30 00:30")]


def test_a_time_that_the_clocks_repeat_is_due_once_the_first_time() -> None:
    # 25 October 2026: 03:00 summer time becomes 02:00 in Berlin; 02:30 comes at 00:30 and 01:30 UTC.
    found = next_times("30 2 * * *", BERLIN, at("2026-10-24 12:00"), 2)
    assert found == [at("2026-10-25 00:30"), at("2026-10-26 01:30")]
    assert next_times("30 2 * * *", BERLIN, at("2026-10-25 01:10")) == [at("2026-10-26 01:30")]


def test_every_passing_quarter_counts_where_the_hour_is_a_star() -> None:
    found = next_times("*/15 * * * *", BERLIN, at("2026-10-24 23:59"), 12)
    assert found == [at("2026-10-25 00:00") + timedelta(minutes=15 * n) for n in range(12)]


@pytest.mark.parametrize(
    ("cron", "sentence"),
    [
        ("", '"" has 0 fields. Write five fields'),
        ("every monday", '"every monday" has 2 fields.'),
        ("0 0 3 * * mon", "has 6 fields"),
        ("61 3 * * *", 'The minute of "61 3 * * *" cannot be read, or never comes.'),
        ("0 25 * * *", "The hour of"),
        ("0 3 30 2 *", "The day of month of"),
        ("0 3 * * someday", 'such as "0 3 * * mon"'),
        ("<b> 3 * * *", "The minute of"),
        (", ".join(["1"] * 300), "has 300 fields"),
        (",".join(["1"] * 100) + " * * * *", "is longer than 120 characters"),
    ],
)
def test_an_expression_that_cannot_be_read_is_answered_with_an_example(cron: str, sentence: str) -> None:
    with pytest.raises(BadInput) as caught:
        check_cron(cron)
    assert sentence in caught.value.message
    assert caught.value.message.count(". ") <= 1


def test_an_expression_is_kept_with_single_blanks_and_told_in_words() -> None:
    assert check_cron("  0  3\t* * MON ") == "0 3 * * MON"
    assert in_words("0 3 * * MON") == "At 03:00 on Monday"


def test_the_latest_times_of_a_long_downtime_are_found_at_once() -> None:
    first, now = at("2024-01-01 00:00"), at("2026-11-28 21:15")
    start = time.perf_counter()
    due = due_times("* * * * *", BERLIN, first, now, 5)
    assert time.perf_counter() - start < 5
    assert due.times == tuple(now - timedelta(minutes=n) for n in (4, 3, 2, 1, 0))
    assert due.total == 50_000
    assert due_times("0 0 1 * *", zone_of("UTC"), first, now, 2) == (
        (at("2026-10-01 00:00"), at("2026-11-01 00:00")),
        35,
    )
