"""Many hostile things, one after the other, before one real child; a fresh one after a crash."""

from __future__ import annotations

import re
from pathlib import Path

from assay.contracts import DataReport, DataRequest, FileRequest, ModelReport, ModelRequest
from assay.runner.sandbox import contains
from assay.runner.supervisor import Supervisor

__all__ = ["Crowd"]


class Crowd(Supervisor):
    """A supervised child that is asked again and again: imports are paid for once, the protocol stays.

    Attributes:
        around: the folder below which everything lies that it is asked about, and which it may read.
    """

    around: Path

    def look_at(self, path: Path, kind: str) -> ModelReport | DataReport:
        """What the child says of the model or the data at `path`, refusals raised as they come."""
        if self._process is None:
            self._start(ModelRequest(path=str(self.around)))
        asked: ModelRequest | DataRequest = (
            ModelRequest(path=str(path), device="cpu")
            if kind == "model"
            else DataRequest(test=FileRequest(path=str(path)))
        )
        message = {"do": kind, "request": asked.model_dump(mode="json")}
        header, _ = self._ask(message, f"reading the {kind}", None)
        report: type[ModelReport] | type[DataReport] = ModelReport if kind == "model" else DataReport
        return report.model_validate(header["report"])

    @property
    def contained(self) -> bool:
        """Whether class B is opened here at all."""
        return contains(self.sandbox.layers)

    def most_memory(self) -> int:
        """Bytes of memory that the child held at most so far."""
        status = Path(f"/proc/{self.process_id}/status").read_text()
        found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
        assert found is not None
        return int(found[1]) * 1024

    def sockets(self) -> int:
        """Sockets that the child has open; one is the protocol's."""
        links = Path(f"/proc/{self.process_id}/fd").iterdir()
        return sum(str(link.readlink()).startswith("socket:") for link in links)
