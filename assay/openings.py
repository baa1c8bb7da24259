"""Which models were shown which sealed test rows: a ledger that is only ever added to.

Results that somebody looked at steer the next model. So the first model on some rows is the baseline, one
candidate named before its results were visible confirms or refutes, and every further model on these rows is
exploratory, whatever it shows. The same model again opens nothing.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from assay.contracts import Opening
from assay.errors import BadInput

__all__ = ["Ledger", "Standing", "opening_sentence", "standing_of"]

Standing = Literal["baseline", "confirmatory", "exploratory"]


@dataclass(frozen=True)
class Ledger:
    """One file of JSON lines a set of test rows, known by the digest of the rows' content.

    Lines: {"event": "named" | "opened" | "measured", "at": UTC, ...}. `named` says which candidate (sha256 of
    the model) is to be judged against which baseline; `opened` comes before any result is visible;
    `measured` names the snapshot that came of it.
    """

    root: Path

    def name(self, rows_sha256: str, baseline: str, candidate: str, at: str) -> None:
        """Name a candidate beforehand. Only the first one named for a baseline counts."""
        with self._locked(rows_sha256) as file:
            events = list(_events(file.name))
            if not any(e["event"] == "named" and e["baseline"] == baseline for e in events):
                _add(file, {"event": "named", "at": at, "baseline": baseline, "candidate": candidate})

    def open(self, rows_sha256: str, model: str, plan: str, at: str) -> Opening:
        """Register that `model` sees these rows, before its results are visible.

        Args:
            model: sha256 of the model.
            plan: digest of the plan under which it is measured.
        """
        with self._locked(rows_sha256) as file:
            events = list(_events(file.name))
            opened = [e for e in events if e["event"] == "opened"]
            known = next((e for e in opened if e["model"] == model), None)
            if known is None:
                standing = standing_of(len(opened), _named(events, opened), model)
                known = {"event": "opened", "at": at, "model": model, "plan": plan}
                known |= {"number": len(opened) + 1, "standing": standing}
                _add(file, known)
        number, standing = int(known["number"]), known["standing"]
        return Opening(
            rows_sha256=rows_sha256,
            number=number,
            standing=standing,
            sentence=opening_sentence(number, standing, str(known["at"])[:10]),
        )

    def measured(self, opening: Opening, model: str, snapshot: str, at: str) -> None:
        """Say which snapshot came of an opening."""
        with self._locked(opening.rows_sha256) as file:
            _add(file, {"event": "measured", "at": at, "model": model, "snapshot": snapshot})

    def _locked(self, rows_sha256: str) -> _Locked:
        return _Locked(self.root / f"{rows_sha256}.jsonl")


def _named(events: list[dict[str, Any]], opened: list[dict[str, Any]]) -> str | None:
    """The candidate that was named first for the first model on these rows."""
    if not opened:
        return None
    first = opened[0]["model"]
    found = next((e for e in events if e["event"] == "named" and e["baseline"] == first), None)
    return str(found["candidate"]) if found is not None else None


def standing_of(openings: int, named: str | None, model: str) -> Standing:
    """What an opening counts as, given how many there were before and which candidate was named."""
    if not openings:
        return "baseline"
    return "confirmatory" if named == model else "exploratory"


def opening_sentence(number: int, standing: str, day: str) -> str:
    """An opening in words; `day` as YYYY-MM-DD."""
    if standing == "baseline":
        return f"The sealed test rows were opened first for this model (baseline, {day})."
    if standing == "confirmatory":
        return (
            f"Opening {number} of the sealed test rows ({day}): the one candidate that was named for the "
            "baseline before its results were visible, so the comparison is confirmatory."
        )
    return (
        f"Opening {number} of the sealed test rows ({day}): exploratory. Results on these rows were visible "
        "before this model was chosen, so it may owe some of its result to them; confirm it on fresh rows."
    )


class _Locked:
    """The ledger's file, held by one process at a time and flushed to disk before it is let go."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> Any:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file = self._path.open("a", encoding="utf-8")
            fcntl.flock(self._file, fcntl.LOCK_EX)
        except OSError as error:
            raise BadInput(
                f"The ledger of openings {self._path.parent} cannot be written: {error.strerror or error}. "
                "Set ASSAY_HOME to a folder of your own."
            ) from error
        return self._file

    def __exit__(self, *error: object) -> None:
        self._file.close()


def _events(path: str) -> Iterator[dict[str, Any]]:
    """The lines so far; a torn last line (a crash while it was written) is passed over."""
    for line in Path(path).read_text("utf-8").splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and {"event", "at"} <= event.keys():
            yield event


def _add(file: Any, event: dict[str, Any]) -> None:
    try:
        torn = Path(file.name).stat().st_size > 0 and not Path(file.name).read_bytes().endswith(b"\n")
        file.write(("\n" if torn else "") + json.dumps(event, sort_keys=True) + "\n")
        file.flush()
        os.fsync(file.fileno())
    except OSError as error:
        raise BadInput(f"The ledger of openings could not be written: {error.strerror or error}.") from error
