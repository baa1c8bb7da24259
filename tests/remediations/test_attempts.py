"""Each attempt writes to a folder of its own, and begins at the furthest whole epoch of those before it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from remediations.attempts import epochs_in, new_attempt


def checkpoint(attempt: Path, epoch: int, content: bytes = b"tensors") -> Path:
    """A checkpoint as the engine writes it."""
    folder = attempt / "training"
    folder.mkdir(parents=True)
    (folder / f"epoch-{epoch}.safetensors").write_bytes(content)
    document = {
        "schema": "assay.training/1",
        "epoch": epoch,
        "epochs": 9,
        "tensors": f"epoch-{epoch}.safetensors",
        "tensors_sha256": hashlib.sha256(b"tensors").hexdigest(),
    }
    (folder / "state.json").write_text(json.dumps(document))
    return folder


def test_the_first_attempt_begins_at_the_beginning(tmp_path: Path) -> None:
    attempt, reached = new_attempt(tmp_path)
    assert (reached, epochs_in(attempt), list(attempt.iterdir())) == (None, None, [])


def test_a_later_attempt_begins_at_the_furthest_whole_epoch(tmp_path: Path) -> None:
    checkpoint(tmp_path / "attempt-a", 3)
    checkpoint(tmp_path / "attempt-b", 2)
    attempt, reached = new_attempt(tmp_path)
    assert (reached, epochs_in(attempt)) == ((3, 9), (3, 9))
    assert (attempt / "training" / "epoch-3.safetensors").read_bytes() == b"tensors"


def test_a_damaged_epoch_is_passed_over(tmp_path: Path) -> None:
    checkpoint(tmp_path / "attempt-a", 4, b"torn")
    checkpoint(tmp_path / "attempt-b", 1)
    assert new_attempt(tmp_path)[1] == (1, 9)


def test_a_stale_attempt_that_goes_on_does_not_touch_its_successor(tmp_path: Path) -> None:
    stale = checkpoint(tmp_path / "attempt-a", 3)
    attempt, _ = new_attempt(tmp_path)
    (stale / "epoch-3.safetensors").unlink()
    (stale / "state.json").write_text("{}")
    assert epochs_in(attempt) == (3, 9)
    assert (attempt / "training" / "epoch-3.safetensors").read_bytes() == b"tensors"
