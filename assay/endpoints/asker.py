"""The supervisor's side of an endpoint: takes a child's rows, asks, checks, counts.

What a child asks is hostile: it gives rows of the shape that the signature says, and nothing else. Address,
path, headers, body and key are this side's own.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.contracts import Canary, EndpointRecord, EndpointRequest
from assay.endpoints.address import Access, Resolver
from assay.endpoints.caller import Caller
from assay.endpoints.canary import Moved, compared, distance, judged, several_names
from assay.endpoints.kept import KeptAnswers
from assay.endpoints.labels import Answered
from assay.endpoints.likelihoods import OpenAILikelihoods
from assay.endpoints.meter import Meter
from assay.endpoints.open_inference import OpenInference
from assay.endpoints.openai import OpenAI
from assay.errors import AssayError, BadInput, Cancelled, ChildFailed, EndpointFailed
from assay.evidence import digest
from assay.models.base import Inputs, take
from assay.models.endpoint import LONGEST_TEXT, Arrays, asked_signature
from assay.planning import timestamp
from assay.sealing import Keyring

__all__ = ["Asker", "joined"]

_MOST_ROWS = 65_536
_MOST_CANARY = 64
_ASKINGS = 3
"""Of the canary rows at one time, before answers that moved count as another model's."""
_ENOUGH = 8
"""Answers of which none names a class show that the question is wrong, not the model."""


class Asker:
    """Asks one endpoint for one supervisor.

    Args:
        access: what whoever runs the audit allows.
        kept: file of the answers to the rows that were read first; see `KeptAnswers`.
        ring: keys that the file is sealed with.
        counts: file of what a run has asked so far, where several processes share the run.
    """

    def __init__(
        self,
        request: EndpointRequest,
        access: Access,
        *,
        kept: Path | None = None,
        ring: Keyring | None = None,
        counts: Path | None = None,
        resolver: Resolver | None = None,
        sleep: Callable[[float], object] | None = None,
        now: Callable[[], str] = timestamp,
    ) -> None:
        self._request, self._now = request, now
        self._signature = asked_signature(request)
        self._stopped = threading.Event()
        self._sleep = sleep or self._stopped.wait
        self._meter = Meter(request.limits, counts, sleep=self._sleep)
        self._caller = Caller(request, access, self._meter, resolver=resolver, sleep=self._sleep)
        self._protocol = _kind_of(request)(request, self._signature, self._caller)
        described = request.model_dump(mode="json", exclude={"limits", "key", "seed"})
        self._kept = KeptAnswers(digest(described), kept, ring)
        self.reading = True
        """Whether the child reads its data: then answers are kept, and kept ones are not asked again. Those
        of a language model always are, since methods ask it about texts of the data and no others."""
        self._described = False
        self._rows = self._kept_rows = self._unmatched = self._cut = 0
        self._first_asked = self._last_asked = ""
        self._canary: tuple[Inputs, npt.NDArray[np.float64], float] | None = None
        self._earlier: tuple[Moved, str] | None = None
        self._alarm: Canary | None = None
        """What was noticed once stays noticed, whatever answers later."""
        self._doing = {
            "describe": self._describe,
            "foresee": self._foresee,
            "rows": self._answer_rows,
            "canary": self._set_canary,
        }

    def answer(self, header: dict[str, Any], arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
        """Answer one message of a child.

        Raises:
            ChildFailed: a message that no child of ours sends.
            BadInput, EndpointFailed, LimitReached, Cancelled: why there is no answer.
        """
        doing = self._doing.get(str(header.get("what")))
        if doing is None:
            raise ChildFailed("The child asked the endpoint in no way that is known.")
        return doing(header, arrays)

    def start_anew(self, counts: Path | None) -> None:
        """Count for another run from now on, with limits and a canary of its own.

        What a child has read stays answered, so a session serves several runs about one subject.

        Raises:
            AssayError: why the canary rows could not be asked.
        """
        self._meter = self._caller.meter = Meter(self._request.limits, counts, sleep=self._sleep)
        self._rows = self._kept_rows = self._unmatched = self._cut = 0
        self._first_asked = self._last_asked = ""
        self._protocol.answered_as.clear()
        self._alarm = None
        if self._canary is not None:
            self._ask_canary(self._canary[0])

    def save(self) -> None:
        """Keep what was answered for whoever asks next."""
        self._kept.save()

    def finish(self) -> EndpointRecord:
        """Ask the canary rows again and say what all of it took."""
        return self._record(self._finished_canary())

    def stop(self, why: str) -> None:
        """Let no further request be made; called from another thread."""
        self._caller.stopped = why
        self._stopped.set()

    def close(self) -> None:
        self._caller.close()

    def _record(self, canary: Canary | None) -> EndpointRecord:
        own = self._meter.own
        return EndpointRecord(
            host=self._caller.place.name,
            protocol=self._request.protocol,
            model=self._request.model,
            answered_as=tuple(self._protocol.answered_as),
            requests=own.requests,
            retries=own.retries,
            rows=self._rows,
            kept_rows=self._kept_rows,
            tokens=own.tokens,
            spend=self._meter.spend,
            unmatched=self._unmatched,
            cut=self._cut,
            first_asked=self._first_asked or None,
            last_asked=self._last_asked or None,
            canary=canary,
        )

    def _describe(self, _header: dict[str, Any], _arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
        if not self._described:
            self._protocol.describe()
            self._described = True
        return {
            "host": self._caller.place.name,
            "rows_per_request": self._protocol.rows_per_request,
            "notes": list(self._protocol.notes),
        }, {}

    def _foresee(self, header: dict[str, Any], _arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
        rows = header.get("rows")
        if type(rows) is not int or rows < 0:
            raise ChildFailed("The child foresees a number of rows that is none.")
        requests = math.ceil(max(0, rows - len(self._kept)) / self._protocol.rows_per_request)
        self._meter.refuse_more_than(requests, f"Asking about {rows:,} rows")
        return {}, {}

    def _answer_rows(self, header: dict[str, Any], arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
        inputs = self._checked(header, arrays)
        if isinstance(self._protocol, OpenInference):
            self._protocol.rounding = not self.reading
        outputs = np.zeros((len(inputs), self._width))
        unmatched = np.zeros(len(inputs), dtype=bool)
        keep = self.reading or self._likelihoods
        digests = self._kept.digests(inputs) if keep else []
        wanted = list(range(len(inputs)))
        if keep:
            found = {place: self._kept.get(each) for place, each in enumerate(digests)}
            for place, known in found.items():
                if known is not None:
                    outputs[place], unmatched[place] = known
            wanted = [place for place in wanted if found[place] is None]
            self._kept_rows += len(inputs) - len(wanted)
        step = self._protocol.rows_per_request
        for first in range(0, len(wanted), step):
            places = np.array(wanted[first : first + step], dtype=np.int64)
            answered = self._ask(take(inputs, places))
            outputs[places] = answered.outputs
            unmatched[places] = answered.lost
            if keep:
                for place in places:
                    self._kept.put(digests[place], outputs[place].copy(), bool(unmatched[place]))
        return {"unmatched": int(unmatched.sum())}, {"outputs": outputs}

    def _ask(self, inputs: Inputs) -> Answered:
        """One request, its answer checked against the signature."""
        self._first_asked = self._first_asked or self._now()
        answered = self._protocol.ask(inputs)
        if answered.outputs.shape != (len(inputs), self._width) or not np.isfinite(answered.outputs).all():
            raise EndpointFailed(
                f"{self._caller.place.name} answers with other outputs than the signature says."
            )
        self._last_asked = self._now()
        self._rows += len(inputs)
        self._unmatched += int(answered.lost.sum())
        self._cut += answered.cut
        if self._rows >= _ENOUGH and self._unmatched == self._rows:
            example = self._caller.shown(answered.example, 80)
            broken = f" {self._cut} of them were broken off before their end." if self._cut else ""
            raise BadInput(
                f"None of the first {self._rows} answers of {self._caller.place.name} names a class (one is "
                f'"{example}").{broken} Write a template that asks for the name of a class only.'
            )
        return answered

    def _set_canary(self, header: dict[str, Any], arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
        """Ask these rows twice, past anything kept: the difference is the endpoint's own unsteadiness."""
        inputs = self._checked(header, arrays)
        if not 0 < len(inputs) <= _MOST_CANARY:
            raise ChildFailed("The child set a canary of no or too many rows.")
        if self._canary is not None:
            return {}, {}  # a child that was started again; the first one's stays
        self._ask_canary(inputs)
        return {}, {}

    def _ask_canary(self, inputs: Inputs) -> None:
        first, again = self._live(inputs), self._live(inputs)
        tolerance = distance(first, again, labels=self._labels)
        self._canary = inputs, first, tolerance
        kept = self._kept
        if kept.canary is None:
            kept.put_canary(first, tolerance, self._now())
        elif kept.canary.shape == first.shape:
            both = max(tolerance, kept.canary_tolerance)
            moved = self._moved(inputs, kept.canary, [first, again], both)
            self._earlier = moved, kept.canary_asked
            self._canary = inputs, first, max(tolerance, moved.among)

    def _finished_canary(self) -> Canary | None:
        if self._canary is None or self._alarm is not None:
            return self._alarm
        inputs, first, tolerance = self._canary
        last, why_not = None, ""
        try:
            last = self._moved(inputs, first, [self._live(inputs)], tolerance)
        except Cancelled:
            raise
        except AssayError as error:
            why_not = error.message
        found = judged(
            first,
            tolerance=tolerance,
            labels=self._labels,
            last=last,
            earlier=self._earlier,
            names=self._protocol.answered_as,
            why_not=why_not,
        )
        if found.changed:
            self._alarm = found
        return found

    def _moved(
        self,
        inputs: Inputs,
        reference: npt.NDArray[np.float64],
        askings: list[npt.NDArray[np.float64]],
        tolerance: float,
    ) -> Moved:
        """These askings beside the reference; asks again before it says that another model answers."""
        found = compared(reference, askings, tolerance=tolerance, labels=self._labels)
        while found.too_far and len(askings) < _ASKINGS:
            try:
                askings = [*askings, self._live(inputs)]
            except Cancelled:
                raise
            except AssayError:
                break  # a limit, say: then what was answered has to do
            found = compared(reference, askings, tolerance=tolerance, labels=self._labels)
        return found

    def _live(self, inputs: Inputs) -> npt.NDArray[np.float64]:
        step = self._protocol.rows_per_request
        pieces = [self._ask(take(inputs, slice(at, at + step))) for at in range(0, len(inputs), step)]
        return np.concatenate([piece.outputs for piece in pieces])

    @property
    def _labels(self) -> bool:
        return self._signature.output == "label"

    @property
    def _likelihoods(self) -> bool:
        return self._signature.task == "generation"

    @property
    def _width(self) -> int:
        if self._likelihoods:
            return 2
        return 1 if self._signature.output == "score" else len(self._signature.classes)

    def _checked(self, header: dict[str, Any], arrays: Arrays) -> Inputs:
        """A child's rows. Raises ChildFailed where they are not of the signature's shape and range."""
        signature = self._signature
        if signature.text is not None:
            texts = header.get("texts")
            if not isinstance(texts, list) or arrays or len(texts) > _MOST_ROWS:
                raise ChildFailed("The child's rows are no texts.")
            if not all(isinstance(text, str) and len(text) <= LONGEST_TEXT for text in texts):
                raise ChildFailed(f"The child's rows are no texts of at most {LONGEST_TEXT:,} characters.")
            return texts
        rows = arrays.get("rows")
        if (
            rows is None
            or len(arrays) != 1
            or rows.dtype.kind != "f"
            or rows.ndim < 2
            or len(rows) > _MOST_ROWS
        ):
            raise ChildFailed("The child's rows are no array of numbers.")
        image = signature.image
        shape = (len(signature.columns),) if image is None else (image.channels, image.height, image.width)
        if rows.shape[1:] != shape or np.isinf(rows).any() or (image is not None and np.isnan(rows).any()):
            raise ChildFailed("The child's rows do not have the shape that the signature says.")
        for place, column in enumerate(signature.columns):
            codes = rows[:, place]
            codes = codes[~np.isnan(codes)]
            if column.kind == "category" and codes.size:
                whole = (codes == np.round(codes)).all()
                if not whole or codes.min() < 0 or codes.max() >= len(column.categories):
                    raise ChildFailed(f'The child\'s rows hold no category of "{column.name}".')
        return rows


def _kind_of(request: EndpointRequest) -> type[OpenInference | OpenAI | OpenAILikelihoods]:
    """What asks it. Raises BadInput: a language model over a protocol that tells no likelihoods of texts."""
    if request.signature.task == "generation":
        if request.protocol != "openai_completions":
            raise BadInput(
                f"{request.protocol} does not tell how likely a text is. A language model (task generation) "
                "is asked over openai_completions."
            )
        return OpenAILikelihoods
    return OpenInference if request.protocol == "open_inference_v2" else OpenAI


def joined(records: Iterable[EndpointRecord]) -> EndpointRecord | None:
    """One record of a run that several children asked for; None for none."""
    found = list(records)
    if not found:
        return None
    canaries = [record.canary for record in found if record.canary is not None]
    changed = next((canary for canary in canaries if canary.changed), None)
    starts = sorted(r.first_asked for r in found if r.first_asked)
    ends = sorted(r.last_asked for r in found if r.last_asked)
    names = tuple(dict.fromkeys(name for r in found for name in r.answered_as))
    canary = changed or (canaries[-1] if canaries else None)
    if canary is not None and not canary.changed and len(names) > 1:
        sentence = f"{canary.sentence} {several_names(names)}"
        canary = canary.model_copy(update={"changed": True, "sentence": sentence})
    return found[0].model_copy(
        update={
            "answered_as": names,
            **{
                name: sum(getattr(r, name) for r in found)
                for name in (
                    "requests",
                    "retries",
                    "rows",
                    "kept_rows",
                    "tokens",
                    "spend",
                    "unmatched",
                    "cut",
                )
            },
            "first_asked": starts[0] if starts else None,
            "last_asked": ends[-1] if ends else None,
            "canary": canary,
        }
    )
