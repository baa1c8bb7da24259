"""One acceptance row a registered method: what proves it, what it finds, when it is silent, what breaks it.

`docs/acceptance.md` is made from these rows (`python -m tests.acceptance.page`); tests check that every
registered method has one, that the tests named here exist, and that each mutant is caught.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ROWS", "Mutant", "Row"]


@dataclass(frozen=True)
class Mutant:
    """A small wrong change to the code; the golden or planted test must fail on it."""

    file: str
    old: str
    new: str
    caught_by: str


@dataclass(frozen=True)
class Row:
    method: str
    golden: str
    """Test that reproduces a number from outside; node id below tests/."""
    golden_source: str
    golden_threshold: str
    planted: str
    """Test in which a planted defect is found."""
    planted_threshold: str
    null: str
    """Test in which a sound subject raises no alarm."""
    null_threshold: str
    mutant: Mutant

    @property
    def command(self) -> str:
        return f"./run test {' '.join(f'tests/{t}' for t in (self.golden, self.planted, self.null))}"


ROWS: tuple[Row, ...] = ()
