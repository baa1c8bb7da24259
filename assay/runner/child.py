"""The child: a fresh interpreter that opens the user's files and runs shards, nothing else.

Started as `python -I -m assay.runner.child DESCRIPTOR PARENT`. The first message, `confine`, says what it may
reach; it locks down, and answers which layers are on. Then it serves one subject: an `intake`
message, then any number of `run` messages and `rows` for the annex, or one `remedy` message; or it
looks at one half of a subject by itself: `model` or `data`.
Standard output goes to standard error, which the supervisor keeps for the last words of a crash.
"""

from __future__ import annotations

import os
import socket
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.runner import protocol
from assay.runner.profiles import PROFILES
from assay.runner.sandbox import Confinement, contains, lock_down

if TYPE_CHECKING:
    from assay.intake.gate import Surroundings

__all__ = ["main"]


def main() -> None:
    """Lock down, say which layers are on, then answer until the supervisor hangs up."""
    descriptor, parent = int(sys.argv[1]), int(sys.argv[2])
    os.dup2(2, 1)
    channel = socket.socket(fileno=descriptor)
    try:
        message, _ = protocol.receive(channel)
    except protocol.Closed:
        return
    confinement = Confinement.of(message)
    # Imports of numerical libraries come after the lock-down on purpose.
    layers = lock_down(parent, confinement)
    protocol.send(channel, {"kind": "ready", "layers": layers})
    server = _Server(channel, contains(layers), PROFILES[confinement.profile].formats)
    while True:
        try:
            message, _ = protocol.receive(channel)
        except protocol.Closed:
            return
        server.answer(message)


class _Server:
    def __init__(self, channel: socket.socket, contained: bool, formats: frozenset[str] | None) -> None:
        self._channel = channel
        self._contained = contained
        self._formats = formats
        self._subject: Any = None
        self._answers = {
            "intake": self._intake,
            "model": self._model,
            "data": self._data,
            "run": self._run,
            "rows": self._rows,
            "remedy": self._remedy,
        }

    def answer(self, message: dict[str, Any]) -> None:
        from assay.errors import AssayError, BadInput

        header: dict[str, Any]
        try:
            header, body = self._answers[message["do"]](message)
        except AssayError as error:
            gate = dict(error.gate) if isinstance(error, BadInput) and error.gate is not None else None
            header = {"kind": "error", "code": error.code, "message": error.message, "gate": gate}
            body = b""
        except ModuleNotFoundError as error:
            if message["do"] == "run":  # one method fails alone
                header, body = _crash(), b""
            else:
                needed = f"This needs the package {error.name}, which is not installed here"
                told = f"{needed}: pip install '.[models]' where Assay's source is."
                header, body = {"kind": "error", "code": BadInput.code, "message": told}, b""
        except MemoryError:
            header, body = {"kind": "crash", "message": "out of memory"}, b""
        except BaseException as error:  # a library in Rust panics with what is no Exception
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            header, body = _crash(), b""
        protocol.send(self._channel, header, body)

    def _progress(self, done: float, note: str = "") -> None:
        protocol.send(self._channel, {"kind": "progress", "done": round(float(done), 4), "note": note})

    def _surroundings(self) -> Surroundings:
        from assay.intake.gate import Surroundings

        return Surroundings(
            contained=self._contained, scratch=Path.cwd(), formats=self._formats, ask=self._query
        )

    def _query(self, header: dict[str, Any], arrays: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Have the supervisor ask an endpoint; this process has no network."""
        from assay import errors

        protocol.send(self._channel, {"kind": "query", **header}, protocol.pack_arrays(arrays))
        answer, body = protocol.receive(self._channel)
        if answer.get("kind") == "refused":
            raise errors.by_code(str(answer["code"]))(str(answer["message"]))
        return answer, protocol.unpack_arrays(body)

    def _intake(self, message: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        from assay.contracts import DataRequest
        from assay.loading import load_subject

        request = DataRequest.model_validate(message["request"])
        loaded = load_subject(request, Path.cwd(), self._progress, self._surroundings())
        self._subject = loaded.subject
        profile = self._subject.profile.model_dump(mode="json")
        return {"kind": "profile", "profile": profile, "rows_per_second": loaded.rows_per_second}, b""

    def _model(self, message: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        from assay.contracts import ModelRequest
        from assay.loading import describe_model

        found = describe_model(ModelRequest.model_validate(message["request"]), self._surroundings())
        return {"kind": "model", "report": found.model_dump(mode="json")}, b""

    def _data(self, message: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        from assay.contracts import DataRequest
        from assay.intake.describe import describe_data

        found = describe_data(DataRequest.model_validate(message["request"]), Path.cwd(), self._progress)
        return {"kind": "data", "report": found.model_dump(mode="json")}, b""

    def _rows(self, message: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        from assay.datasets.row_arrays import row_arrays

        return {"kind": "rows"}, protocol.pack_arrays(row_arrays(self._subject))

    def _run(self, message: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        from assay.contracts import ShardSpec
        from assay.execution import InlineContext
        from assay.planning import make_params
        from assay.registry import METHODS

        shard = ShardSpec.model_validate(message["shard"])
        method = METHODS.get(shard.method)
        params = make_params(method, message["params"])
        device = self._subject.model.device if self._subject.has_model else "cpu"
        context = InlineContext(method.spec.id, int(message["seed"]), device, report=self._progress)
        partial = method.run(shard, self._subject, params, context)
        return {"kind": "partial", "data": partial.data}, protocol.pack_arrays(partial.arrays)

    def _remedy(self, message: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        from assay.execution import RemedyRun
        from assay.models.torch_model import choose_device
        from assay.planning import make_params
        from assay.registry import REMEDIES

        remedy = REMEDIES.get(message["remedy"])
        params = make_params(remedy, message["params"])
        has_model = self._subject.has_model
        device = self._subject.model.device if has_model else choose_device(message["device"])
        context = RemedyRun(Path(message["work"]), int(message["seed"]), device, report=self._progress)
        made = remedy.apply(self._subject, params, context)
        return {"kind": "artefact", "lineage": made.lineage.model_dump(mode="json")}, b""


def _crash() -> dict[str, Any]:
    """What is said of an error that nobody foresaw; its traceback is the child's last words."""
    traceback.print_exc()
    last = traceback.format_exc().strip().splitlines()[-1]
    return {"kind": "crash", "message": last[:500]}


if __name__ == "__main__":
    main()
