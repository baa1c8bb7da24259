"""The supervisor: starts the child, asks it, watches time and memory, and cleans up after it.

Longer than other files: one class holds the life of one child, and every way in which it can end.
"""

from __future__ import annotations

import contextlib
import math
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from pydantic import ValidationError

from assay.annex import MOST_ROWS, RunRows
from assay.contracts import (
    DataReport,
    DataRequest,
    EndpointRecord,
    Lineage,
    ModelReport,
    ModelRequest,
    Partial,
    Profile,
    SandboxReport,
    ShardSpec,
)
from assay.datasets.odd_characters import refuse_odd_characters
from assay.datasets.values import visible
from assay.endpoints.asker import Asker
from assay.errors import AssayError, BadInput, Cancelled, ChildFailed, Internal
from assay.evidence import digest
from assay.runner import protocol
from assay.runner.answers import (
    check_datasets,
    check_files,
    check_model,
    check_profile,
    check_sound,
    checked_data,
)
from assay.runner.disk import Disk
from assay.runner.memory import default_memory_limit, usage
from assay.runner.model_answers import report_of, take_over_cleaned, verdict_of
from assay.runner.needs import confine
from assay.runner.profiles import PROFILES, ProfileName
from assay.runner.queries import keeping, reading, reply
from assay.runner.rows import checked_rows
from assay.runner.sandbox import child_environment
from assay.runner.scratch import remove, sweep
from assay.runner.words import doing_of, said_in, share_of, told, without_note

__all__ = ["Supervisor"]

_POLL_SECONDS = 0.2
_LAST_WORDS = 4_096
_NOTE = 200
"""Characters of a progress note that are passed on."""
_START_SECONDS = 60.0
_MOST_THREADS = 4_096
"""Of one child; libraries start a few for each core. The machine has some ten thousands for everybody."""


class Supervisor:
    """One sandboxed child for one subject, as a context manager.

    Args:
        request: the data to take in; None for a look at a model by itself (`describe_model`).
        time_limit: seconds that one answer of the child may take.
        memory_limit: bytes of memory (page tables and swap count) after which the child is ended.
        scratch_parent: folder for the scratch folder; the system's temporary folder by default.
        environment: variables to set besides this process's own, such as CUDA_VISIBLE_DEVICES; the child
            sees those that assay/runner/sandbox.py lists.
        asker: asks the endpoint that the request names; None where there is no endpoint.
        profile: what the child may do besides (assay/runner/profiles.py).
    """

    def __init__(
        self,
        request: DataRequest | None,
        *,
        time_limit: float = 3_600.0,
        memory_limit: int | None = None,
        scratch_parent: Path | None = None,
        environment: Mapping[str, str] | None = None,
        asker: Asker | None = None,
        profile: ProfileName = "audit",
    ) -> None:
        self._request = request
        self._profile: ProfileName = profile
        self._work: Path | None = None
        self._devices = False
        self._time_limit = time_limit
        self._memory_limit = memory_limit or default_memory_limit()
        self._scratch_parent = scratch_parent
        self._environment = dict(environment or {})
        self._asker = asker
        self._scratch: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        self._disk: Disk | None = None
        self._words = bytearray()
        self._layers: dict[str, bool] = {}
        self._read: str | None = None
        """Digest of the profile that the first child made."""
        self._stopped = ""
        self.rows_per_second = 0.0
        """How fast the model answered at intake; 0 without a model."""

    def __enter__(self) -> Supervisor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def process_id(self) -> int | None:
        """The child's process id while it runs."""
        return self._process.pid if self._process is not None else None

    @property
    def sandbox(self) -> SandboxReport:
        """The layers that the child had switched on when it said it was ready."""
        return SandboxReport(layers=dict(self._layers), notes=(f"profile: {self._profile}",))

    def grant(self, work: Path, device: str) -> None:
        """Name, before `intake`, the folder that a remedy will write to and the device it asks for."""
        self._work = work.resolve()
        self._devices = device != "cpu"

    def endpoint(self) -> EndpointRecord | None:
        """What was asked of the endpoint; asks its canary rows once more. None where there is none."""
        return self._asker.finish() if self._asker is not None else None

    def intake(self, on_progress: Callable[[float], None] | None = None) -> Profile:
        """Start the child and let it read the data.

        Raises:
            BadInput: what is wrong with the data, where, and what would be right.
            ChildFailed: the child crashed, took too long, or used too much memory.
        """
        message = {"do": "intake", "request": self._asked_for()}
        assert self._request is not None
        self._start(self._request)
        with reading(self._asker):
            header, _ = self._ask(message, "reading the data", without_note(on_progress))
        try:
            rate = float(header["rows_per_second"])
            self.rows_per_second = rate if 0 < rate < math.inf else 0.0
            profile = Profile.model_validate(header["profile"])
        except (KeyError, TypeError, ValueError, OverflowError, ValidationError) as error:
            raise ChildFailed("The child's profile breaks its contract.") from error
        refuse_odd_characters(profile.model_dump(mode="json"), "names and values of model and data")
        check_profile(profile, self._request)
        if self._read is not None and digest(profile) != self._read:
            raise ChildFailed("The child that was started again reads another subject than the first did.")
        self._read = digest(profile)
        return profile

    def describe_model(self, request: ModelRequest, cleaned: Path | None = None) -> ModelReport:
        """Start the child and let it load a model by itself.

        Args:
            cleaned: an empty folder. Where the model is of class B, what cleaning wrote is put there and read
                again by a fresh child, which sees nothing of what came in: that one's report is returned.

        Raises:
            BadInput: why it is no model that Assay reads, and what would be right.
            ChildFailed: the child crashed, took too long, or used too much memory.
        """
        self._start(request)
        message = {"do": "model", "request": request.model_dump(mode="json")}
        header, _ = self._ask(message, "reading the model", None)
        found = report_of(header)
        check_model(found.facts, request)
        if cleaned is None or request.gate is not None or found.facts.gate is None:
            return found
        if found.facts.gate.trust != "B":
            return found
        self._kill()  # before anything is looked at
        assert self._scratch is not None
        take_over_cleaned(self._scratch, cleaned)
        again = self.describe_model(
            request.model_copy(update={"path": str(cleaned), "gate": found.facts.gate})
        )
        return again.model_copy(update={"claims": found.claims})

    def describe_data(self, on_progress: Callable[[float], None] | None = None) -> DataReport:
        """Start the child and let it read the data by itself: no model, no predictions, no label needed.

        Raises:
            BadInput: what is wrong with the data, where, and what would be right.
            ChildFailed: the child crashed, took too long, or used too much memory.
        """
        message = {"do": "data", "request": self._asked_for()}
        self._start(self._request)
        header, _ = self._ask(message, "reading the data", without_note(on_progress))
        try:
            report = DataReport.model_validate(header["report"])
        except (KeyError, TypeError, ValueError, ValidationError) as error:
            raise ChildFailed("The child's report on the data breaks its contract.") from error
        refuse_odd_characters(report.model_dump(mode="json"), "names and values in these files")
        check_datasets(report.datasets)
        assert self._request is not None
        check_files(report.datasets, self._request)
        check_sound(report.model_dump(mode="json"), "report on the data")
        return report

    def run(
        self,
        shard: ShardSpec,
        params: Mapping[str, Any],
        seed: int,
        on_progress: Callable[[float], None] | None = None,
    ) -> Partial:
        """Run one shard in the child; starts a new child (and reads the data again) after a crash."""
        if self._process is None:
            self.intake()
        message = {"do": "run", "shard": shard.model_dump(mode="json"), "params": dict(params), "seed": seed}
        with keeping(self._asker):
            header, body = self._ask(message, shard.method, without_note(on_progress))
        data = checked_data(header, shard.method)
        return Partial(shard.method, shard.stage, shard.index, data, protocol.unpack_arrays(body))

    def remedy(
        self,
        remedy: str,
        params: Mapping[str, Any],
        *,
        seed: int,
        device: str,
        work: Path,
        on_progress: Callable[[float, str], None] | None = None,
    ) -> Lineage:
        """Let the child apply a remedy; checkpoints and the new model (`work / "artefact"`) outlive it.

        Args:
            device: where a remedy that brings its own network trains; others stay where the model is.
            work: the one folder beside its scratch folder that the child writes to, as it was granted.

        Raises:
            BadInput, BadParams, Diverged: what the remedy says.
            ChildFailed: the child crashed, took too long, or used too much memory.
        """
        if work.resolve() != self._work:
            raise Internal("The child was started without this work folder.")
        message = {
            "do": "remedy",
            "remedy": remedy,
            "params": dict(params),
            "seed": seed,
            "device": device,
            "work": str(work.resolve()),
        }
        header, _ = self._ask(message, remedy, on_progress)
        try:
            lineage = Lineage.model_validate(header["lineage"])
        except (KeyError, TypeError, ValueError, ValidationError) as error:
            raise ChildFailed(f"The child's answer to {remedy} breaks its contract.") from error
        check_sound(lineage.model_dump(mode="json"), f"answer to {remedy}")
        return lineage

    def rows(self, profile: Profile) -> RunRows | None:
        """Row-level results for the annex; None for more rows than are kept. Call it after `intake`.

        Raises:
            ChildFailed: the child crashed, or its arrays do not fit the profile.
        """
        if max(profile.test.rows, profile.asked.rows) > MOST_ROWS:
            return None
        _, body = self._ask({"do": "rows"}, "naming the rows", None)
        return checked_rows(protocol.unpack_arrays(body), profile)

    def stop(self, why: str) -> None:
        """End the child from another thread; whoever waits for its answer gets Cancelled(why)."""
        self._stopped = why
        if self._asker is not None:
            self._asker.stop(why)
        process = self._process
        if process is not None and process.poll() is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)

    def close(self) -> None:
        """End the child and remove its scratch folder."""
        self._kill()
        if self._asker is not None:
            self._asker.close()
        if self._scratch is not None:
            remove(self._scratch)
            self._scratch = None

    def _asked_for(self) -> dict[str, Any]:
        if self._request is None:
            raise Internal("This child was started without a request for data.")
        return self._request.model_dump(mode="json")

    def _start(self, request: DataRequest | ModelRequest | None) -> None:
        if self._stopped:
            raise Cancelled(self._stopped)
        self._kill()
        self._words.clear()
        try:
            if self._scratch is not None:
                remove(self._scratch)
            sweep(self._scratch_parent or Path(tempfile.gettempdir()))
            self._scratch = Path(tempfile.mkdtemp(prefix=f"assay-{os.getpid()}-", dir=self._scratch_parent))
        except OSError as error:
            raise BadInput(f"No scratch folder could be made: {error.strerror}. Free some space.") from error
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-m", "assay.runner.child", str(theirs.fileno()), str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=self._scratch,
                env=child_environment({**os.environ, **self._environment}, str(self._scratch)),
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self._channel = ours
        work = () if self._work is None else (self._work,)
        write = (self._scratch.resolve(), *work)
        self._disk = Disk(write)
        self._tell(
            confine(request, self._profile, write, devices=self._devices), b"", "starting", _START_SECONDS
        )
        header, _ = self._await("starting", None, _START_SECONDS)
        layers = header.get("layers")
        if header.get("kind") != "ready" or not isinstance(layers, dict):
            raise ChildFailed("The child did not say that it is ready.")
        self._layers = {str(name): bool(active) for name, active in layers.items()}

    def _ask(
        self, message: dict[str, Any], doing: str, on_progress: Callable[[float, str], None] | None
    ) -> tuple[dict[str, Any], bytes]:
        self._tell(message, b"", doing, self._time_limit)
        header, body = self._await(doing, on_progress, self._time_limit)
        if header.get("kind") == "error":
            if self._stopped:
                raise Cancelled(self._stopped)
            raised = told(header)
            if isinstance(raised, BadInput):
                raised.gate = verdict_of(header.get("gate"))
            raise raised
        if header.get("kind") == "crash":
            self._kill()
            raise ChildFailed(f"The child failed while {doing_of(doing)}: {said_in(header, 'message', 500)}.")
        return header, body

    def _tell(
        self, header: dict[str, Any], body: bytes, doing: str, limit: float, left: float | None = None
    ) -> None:
        """Send a frame to a child that may have ended, or that takes nothing, within what is `left`."""
        assert self._channel is not None
        self._channel.settimeout(max(limit if left is None else left, 1.0))
        try:
            protocol.send(self._channel, header, body)
        except TimeoutError:
            raise self._over_time(doing, limit) from None
        except OSError:
            raise self._died(doing) from None

    def _await(
        self, doing: str, on_progress: Callable[[float, str], None] | None, limit: float
    ) -> tuple[dict[str, Any], bytes]:
        """Wait for an answer that is not progress, keeping the child's words and watching what it uses."""
        assert self._process is not None
        assert self._process.stdout is not None
        assert self._channel is not None
        deadline = time.monotonic() + limit
        incoming = protocol.Incoming()
        with selectors.DefaultSelector() as selector:
            selector.register(self._channel, selectors.EVENT_READ)
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while True:
                if time.monotonic() > deadline:
                    raise self._over_time(doing, limit)
                self._check_usage(doing)
                for ready, _ in selector.select(_POLL_SECONDS):
                    if ready.fileobj is self._process.stdout:
                        words = os.read(self._process.stdout.fileno(), 65_536)
                        if not words:
                            selector.unregister(self._process.stdout)
                        self._words += words
                        del self._words[:-_LAST_WORDS]
                        continue
                    try:
                        frame = incoming.take(self._channel)
                    except (protocol.Closed, ConnectionError):
                        raise self._died(doing) from None
                    if frame is None:
                        continue
                    incoming = protocol.Incoming()
                    header, body = frame
                    if header.get("kind") == "query":
                        asked = time.monotonic()
                        answer = reply(self._asker, header, body)
                        deadline += time.monotonic() - asked  # the endpoint's time, with limits of its own
                        self._tell(*answer, doing, limit, deadline - time.monotonic())
                        continue
                    if header.get("kind") != "progress":
                        return header, body
                    if on_progress is not None:
                        on_progress(share_of(header.get("done")), said_in(header, "note", _NOTE))

    def _check_usage(self, doing: str) -> None:
        assert self._process is not None
        full = self._disk.nearly_full() if self._disk is not None else ""
        if full:
            self._kill()
            raise ChildFailed(f"The child was ended while {doing_of(doing)}: {full}")
        used = usage(self._process.pid, family=PROFILES[self._profile].processes)
        if used is not None and used.memory > self._memory_limit:
            self._kill()
            raise ChildFailed(
                f"The child was ended while {doing_of(doing)}: it used {used.memory / 2**30:.1f} GB, "
                f"its limit is {self._memory_limit / 2**30:.1f} GB."
            )
        if used is not None and used.threads > _MOST_THREADS:
            self._kill()
            raise ChildFailed(
                f"The child was ended while {doing_of(doing)}: it had {used.threads:,} threads, "
                f"its limit is {_MOST_THREADS:,}."
            )

    def _over_time(self, doing: str, limit: float) -> ChildFailed:
        self._kill()
        return ChildFailed(
            f"The child was ended after {limit:g} s while {doing_of(doing)}: over its time limit."
        )

    def _died(self, doing: str) -> AssayError:
        """What to say of a child that hung up: its signal or status, and its last words."""
        if self._stopped:
            self._kill()
            return Cancelled(self._stopped)
        assert self._process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        if PROFILES[self._profile].processes:
            # What it started would hold its words open.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        if self._process.stdout is not None and self._process.returncode is not None:
            self._words += self._process.stdout.read()
        code = self._process.returncode
        how = f"signal {-code} ({signal.Signals(-code).name})" if code and code < 0 else f"status {code}"
        words = self._words.decode("utf-8", "replace").strip().splitlines()
        self._kill()
        tail = f" Its last words: {visible(words[-1][:300])}" if words else " It left no words."
        return ChildFailed(f"The child ended with {how} while {doing_of(doing)}.{tail}")

    def _kill(self) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            if self._process.stdout is not None:
                self._process.stdout.close()
            self._process = None
