"""Apply a remedy: take in training rows, let the child train, put the new model into place whole.

All work happens in DIR.partial beside the place where the model will stand; whatever ends the process, the
same request goes on there, and DIR appears complete or not at all.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from assay.contracts import Lineage, Profile
from assay.errors import BadInput, Cancelled, ChildFailed, Diverged, Internal
from assay.intake.model_files import folder_digest
from assay.planning import make_params, why_no_remedy
from assay.registry import FORMATS, REMEDIES
from assay.remedies.checkpoint import STATE, epochs_done, write_whole
from assay.remedies.lineage import request_digest
from assay.runner.scratch import remove
from assay.runner.supervisor import Supervisor

__all__ = ["ARTEFACT", "TRAINING", "RepairRequest", "Repaired", "WorkFolder", "made_model", "repair"]

TRAINING, ARTEFACT = "training", "artefact"
"""Where, below its work folder, a remedy keeps its checkpoints and writes the new model."""
_REQUEST, _LOCK = "request.json", "lock"
_SCHEMA = "assay.remedy_request/1"


@dataclass(frozen=True)
class RepairRequest:
    """Which remedy, how, and where its model goes; the data is the supervisor's."""

    remedy: str
    out: Path
    params: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    device: str = "auto"


@dataclass(frozen=True)
class Repaired:
    """The new model: its folder, its digest, what it came from, and what was read to make it."""

    path: Path
    sha256: str
    format: str
    lineage: Lineage
    profile: Profile


class WorkFolder:
    """DIR.partial: one request at a time, by one process at a time.

    Args:
        out: the folder that the new model will be.

    Raises BadInput: `out` holds something already, or cannot be written.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        self.path = out.with_name(f"{out.name}.partial")
        if out.is_file() or (out.is_dir() and any(out.iterdir())):
            raise BadInput(
                f"--out {out} exists already, and a remedy never writes over a model. Name a new folder."
            )

    @contextmanager
    def held(self) -> Iterator[None]:
        """Make the folder and keep other processes out of it meanwhile."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = (self.path / _LOCK).open("a")
        except OSError as error:
            raise BadInput(f"--out {self.out} cannot be written: {error.strerror or error}.") from error
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise BadInput(f"Another process is at work in {self.path}; wait until it ends.") from None
            yield

    def claim(self, digest: str, remedy: str) -> None:
        """Note which request works here. Raises BadInput where another one left a checkpoint."""
        path = self.path / _REQUEST
        there: Any = None
        with contextlib.suppress(OSError, ValueError):
            there = json.loads(path.read_bytes())
        if isinstance(there, dict) and there.get("request") == digest:
            return
        if self.kept:
            whose = str(there.get("remedy"))[:80] if isinstance(there, dict) else "remedy"
            raise BadInput(
                f"{self.path} holds an unfinished {whose} that was asked for differently (remedy, "
                "parameters, data, model, seed or device). Give the same command to go on, remove the "
                "folder, or give another --out."
            )
        document = {"schema": _SCHEMA, "request": digest, "remedy": remedy}
        write_whole(path, json.dumps(document).encode())

    def epochs(self) -> tuple[int, int] | None:
        """Epochs done and asked for, where a checkpoint is kept."""
        return epochs_done(self.path / TRAINING)

    @property
    def kept(self) -> bool:
        """Whether there is a checkpoint, sound or not."""
        return (self.path / TRAINING / STATE).exists()

    def left(self, ended: str) -> str:
        """What an end before the end leaves behind, as a sentence that begins with `ended`."""
        epochs = self.epochs()
        if epochs is None:
            return f"{ended} before the first epoch was done. Nothing was written."
        done, asked = epochs
        return f"{ended} after epoch {done} of {asked}. The same command goes on from there."

    def abandon(self) -> None:
        """Remove the folder."""
        remove(self.path)

    def finish(self) -> tuple[str, str]:
        """Move the new model into place; returns its digest and format."""
        made = self.path / ARTEFACT
        sha256, found = made_model(made)
        try:
            _flush(made)
            made.replace(self.out)
        except OSError as error:
            raise BadInput(f"--out {self.out} could not be written: {error.strerror or error}.") from error
        self.abandon()
        return sha256, found


def repair(
    request: RepairRequest,
    supervisor: Supervisor,
    *,
    on_progress: Callable[[str, float], None],
    on_start: Callable[[Profile, float, tuple[int, int] | None], None],
) -> Repaired:
    """Make a new model from training and tuning rows.

    Args:
        on_progress: called with (what is going on, done share).
        on_start: called once, with the profile, the seconds it may take, and (epochs done already, epochs
            asked for) where an earlier run left a checkpoint.

    Raises:
        BadInput, BadParams: the data, the model or the parameters do not fit the remedy.
        Diverged: training went wrong; nothing is kept.
        ChildFailed: the child ended; the last whole epoch is kept.
    """
    remedy = REMEDIES.get(request.remedy)
    params = make_params(remedy, request.params)
    folder = WorkFolder(request.out)
    with folder.held():
        try:
            supervisor.grant(folder.path, request.device)
            profile = supervisor.intake(lambda done: on_progress("reading the data", done * 0.05))
            reason = why_no_remedy(remedy, profile)
            if reason is not None:
                raise BadInput(reason)
            device = profile.model.device if profile.model is not None else request.device
            folder.claim(request_digest(remedy.spec, params, profile, request.seed, device), request.remedy)
            estimate = remedy.estimate(profile, params)
            speed = supervisor.rows_per_second
            seconds = estimate.seconds + (estimate.evaluations / speed if speed else 0.0)
            on_start(profile, seconds, folder.epochs())
            lineage = supervisor.remedy(
                request.remedy,
                params.model_dump(mode="json"),
                seed=request.seed,
                device=request.device,
                work=folder.path,
                on_progress=lambda share, note: on_progress(note or request.remedy, 0.05 + share * 0.95),
            )
            sha256, found = folder.finish()
        except KeyboardInterrupt:
            raise Cancelled(folder.left("Stopped")) from None
        except ChildFailed as error:
            error.message = f"{error.message} {folder.left('It ended')}"
            raise
        except Diverged as error:
            folder.abandon()
            error.message = f"{error.message} Nothing was written."
            raise
        finally:
            if not folder.kept:
                folder.abandon()
    return Repaired(request.out, sha256, found, lineage, profile)


def made_model(folder: Path) -> tuple[str, str]:
    """Digest and format of the model that a remedy wrote. Raises Internal where it is none."""
    found = next((name for name in FORMATS if FORMATS.get(name).recognise(folder)), None)
    if found is None:
        raise Internal("The remedy wrote a folder that is no model.")
    return folder_digest(folder), found


def _flush(folder: Path) -> None:
    """Put the files on disk before the name that makes them count, readable like any file of the user's."""
    mask = os.umask(0o022)
    os.umask(mask)
    for path in folder.iterdir():
        path.chmod(0o666 & ~mask)
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
