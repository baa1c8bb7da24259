"""The ledger of openings: first, confirmatory, exploratory, and never less than was written."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from assay.errors import BadInput
from assay.openings import Ledger

ROWS, A, B, C = "11" * 32, "aa" * 32, "bb" * 32, "cc" * 32
AT = "2026-01-02T03:04:05Z"


@pytest.fixture
def book(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "openings")


def opened(book: Ledger, model: str, rows: str = ROWS) -> tuple[int, str]:
    found = book.open(rows, model, "dd" * 32, AT)
    return found.number, found.standing


def test_the_first_model_is_the_baseline_and_further_ones_are_exploratory(book: Ledger) -> None:
    assert opened(book, A) == (1, "baseline")
    assert opened(book, B) == (2, "exploratory")
    assert opened(book, C) == (3, "exploratory")


def test_the_candidate_named_beforehand_is_confirmatory_and_only_that_one(book: Ledger) -> None:
    opened(book, A)
    book.name(ROWS, A, B, AT)
    book.name(ROWS, A, C, AT)
    assert opened(book, C) == (2, "exploratory")
    assert opened(book, B) == (3, "confirmatory")


def test_a_candidate_named_for_an_exploratory_model_stays_exploratory(book: Ledger) -> None:
    opened(book, A)
    opened(book, B)
    book.name(ROWS, B, C, AT)
    assert opened(book, C) == (3, "exploratory")


def test_the_same_model_again_opens_nothing(book: Ledger) -> None:
    opened(book, A)
    opened(book, B)
    assert opened(book, A) == (1, "baseline")
    assert opened(book, B) == (2, "exploratory")


def test_other_rows_have_a_count_of_their_own(book: Ledger) -> None:
    opened(book, A)
    assert opened(book, B, "22" * 32) == (1, "baseline")


def test_the_sentence_says_what_a_reader_must_know(book: Ledger) -> None:
    assert "first for this model" in book.open(ROWS, A, "dd" * 32, AT).sentence
    assert "Opening 2" in book.open(ROWS, B, "dd" * 32, AT).sentence
    assert "exploratory" in book.open(ROWS, B, "dd" * 32, AT).sentence


def test_lines_are_only_added_and_a_torn_one_is_passed_over(book: Ledger) -> None:
    opened(book, A)
    path = book.root / f"{ROWS}.jsonl"
    before = path.read_text()
    path.write_text(before + '{"event": "opened", "mod')
    assert opened(book, B) == (2, "exploratory")
    assert path.read_text().startswith(before)
    assert opened(book, B) == (2, "exploratory")


def _open(root: Path, model: str) -> None:
    Ledger(root).open(ROWS, model, "dd" * 32, AT)


def test_processes_that_open_at_once_get_numbers_of_their_own(book: Ledger) -> None:
    models = [f"{number:02x}" * 32 for number in range(6)]
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_open, args=(book.root, model)) for model in models]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    assert sorted(opened(book, model)[0] for model in models) == [1, 2, 3, 4, 5, 6]


def test_a_ledger_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="cannot be written"):
        opened(Ledger(tmp_path / "file" / "openings"), A)
