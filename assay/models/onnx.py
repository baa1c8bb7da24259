"""onnx: a graph of standard operators, run by onnxruntime; alone or in a folder beside its signature.json."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from assay.contracts import Capability, FormatSpec, ModelFacts, ModelSignature
from assay.datasets.values import visible
from assay.errors import BadInput
from assay.intake.model_files import the_file
from assay.intake.onnx_graph import CheckedOnnx, OnnxValue, check_onnx, looks_like_onnx
from assay.models.base import Inputs, Model, take
from assay.models.one_file import OneFile
from assay.models.onnx_layout import Layout, layout_of

if TYPE_CHECKING:
    import onnxruntime

__all__ = ["FORMAT", "Onnx", "OnnxModel"]

_MAX_MEMORY = 32 * 2**30
_FLOATS = ("float", "double", "float16")
_PROBE_ROWS = 16


class _Answer(NamedTuple):
    """Which of the graph's outputs answers: `scores` (numbers a row), else `labels`."""

    scores: OnnxValue | None
    labels: OnnxValue | None


class OnnxModel(Model):
    """A session and how it is asked.

    Args:
        order: place of each of the signature's classes among the graph's; None where they are the same.
        names: the classes as the graph writes them.
    """

    kind_capabilities: ClassVar[tuple[Capability, ...]] = ("query",)

    def __init__(
        self,
        session: onnxruntime.InferenceSession,
        layout: Layout,
        answer: _Answer,
        signature: ModelSignature,
        facts: ModelFacts,
        names: tuple[str, ...],
    ) -> None:
        super().__init__(signature, facts)
        self._session = session
        self._layout = layout
        self._answer = answer
        self._names = names
        same = set(names) == set(signature.classes) and names != signature.classes
        self._order = [names.index(name) for name in signature.classes] if same else None

    def _outputs(self, inputs: Inputs) -> npt.NDArray[np.float64]:
        wanted = self._answer.labels if self.signature.output == "label" else self._answer.scores
        if wanted is None:
            raise BadInput(
                f'{self.facts.name} gives labels only; write "output": "label" in its signature.json.'
            )
        found = _ask(self._session, self._layout, wanted, inputs, self.signature)
        if self.signature.output == "label":
            return self._one_hot(found)
        numbers = _numbers(found, wanted, self._names)
        width, classes = numbers.shape[1], len(self.signature.classes)
        if self.signature.output == "score":
            if width not in (1, 2) or (width == 2 and self.signature.task != "binary"):
                raise BadInput(f"{self.facts.name} gives {width} numbers a row; a score is one.")
            return numbers[:, -1:]
        if width == 1 and classes == 2:
            first = 1 - numbers if self.signature.output == "probability" else np.zeros_like(numbers)
            numbers = np.hstack([first, numbers])
        if numbers.shape[1] != classes:
            raise BadInput(
                f"{self.facts.name} gives {width} numbers a row; its signature names {classes} classes."
            )
        return numbers if self._order is None else numbers[:, self._order]

    def _one_hot(self, found: Any) -> npt.NDArray[np.float64]:
        names = self._names or self.signature.classes
        if set(names) != set(self.signature.classes) and len(names) != len(self.signature.classes):
            raise BadInput(
                f"{self.facts.name} knows {len(names)} classes; its signature names "
                f"{len(self.signature.classes)}."
            )
        said = [str(label) for label in np.asarray(found).reshape(-1)]
        by_name = set(names) == set(self.signature.classes)
        places = {name: place for place, name in enumerate(self.signature.classes if by_name else names)}
        foreign = next((label for label in said if label not in places), None)
        if foreign is not None:
            raise BadInput(
                f'{self.facts.name} answers "{visible(foreign[:40])}", which is none of its classes: '
                f"{', '.join(visible(name) for name in names[:6])}."
            )
        return np.eye(len(self.signature.classes))[[places[label] for label in said]]


class Onnx:
    """Operators of the standard compute, and nothing else."""

    spec = FormatSpec(
        id="onnx",
        title="ONNX",
        recognised_by="a ModelProto (IR version first), alone or in a folder beside signature.json",
        trust="A",
        modalities=("table", "image"),
    )

    def recognise(self, path: Path) -> bool:
        return the_file(path, looks_like_onnx) is not None

    def load(self, path: Path, signature: ModelSignature | None, device: str) -> OnnxModel:
        opened = OneFile(path, looks_like_onnx, "onnx", signature)
        name, shown = opened.name, opened.shown
        checked = check_onnx(opened.file, shown)
        layout = layout_of(checked, shown)
        answer = _answer(checked, shown)
        given = opened.signature
        if given is not None:
            layout.check(given, shown)
        inputs = None if given is not None else layout.inferred(shown)
        session, used, notes = _session(checked, device, shown)
        if given is None:
            assert inputs is not None
            columns, image = inputs
            found, said = _inferred(
                checked, session, layout, answer, {"columns": columns, "image": image}, shown
            )
            notes += [
                f"{name} came without a signature: {said}"
                + ("" if image is None else " Pixels are given as they are, in [0, 1].")
                + " --signature says otherwise."
            ]
        else:
            found = given
            if answer.scores is None and found.output != "label":
                raise BadInput(
                    f'{shown} gives labels only; its signature says "{found.output}": write "output": '
                    '"label".'
                )
        if layout.batch is not None:
            rows = "one row" if layout.batch == 1 else f"{layout.batch:,} rows"
            notes.append(f"{name} takes exactly {rows} at once; the last ones are filled up.")
        facts = opened.facts(
            architecture=_in_words(checked),
            parameters=checked.parameters,
            weight_bytes=checked.weight_bytes,
            dtype=checked.inputs[0].element,
            device=used,
        )
        model = OnnxModel(session, layout, answer, found, facts, checked.classes)
        model.notes.extend(notes)
        return model


def _session(
    checked: CheckedOnnx, device: str, name: str
) -> tuple[onnxruntime.InferenceSession, str, list[str]]:
    """A session over the checked bytes, the device that it runs on, and notes."""
    import onnxruntime as ort

    notes: list[str] = []
    providers: list[Any] = ["CPUExecutionProvider"]
    if device.startswith("cuda"):
        if "CUDAExecutionProvider" in ort.get_available_providers():
            number = int(device.partition(":")[2] or 0)
            providers.insert(0, ("CUDAExecutionProvider", {"device_id": number}))
        else:
            device = "cpu"
            notes.append(
                "onnxruntime has no CUDA provider here (package onnxruntime-gpu): it ran on the CPU."
            )
    options = ort.SessionOptions()
    # what the file is, is not decided by it
    options.add_session_config_entry("session.load_model_format", "ONNX")
    options.add_session_config_entry("session.use_env_allocators", "1")
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.inter_op_num_threads = 1
    options.intra_op_num_threads = _threads()
    options.enable_profiling = False
    options.log_severity_level = 4
    _bound_memory(ort)
    try:
        session = ort.InferenceSession(checked.content, options, providers=providers)
    except Exception as error:  # the library's errors have no class in common
        raise BadInput(f"{name} cannot be run by onnxruntime {ort.__version__}: {_first(error)}.") from error
    if device != "cpu" and "CUDAExecutionProvider" not in session.get_providers():
        device = "cpu"
        notes.append("onnxruntime could not start its CUDA provider: it ran on the CPU.")
    return session, device, notes


def _threads() -> int:
    told = os.environ.get("OMP_NUM_THREADS", "")
    return int(told) if told.isdigit() and int(told) else len(os.sched_getaffinity(0))


_bounded = False


def _bound_memory(ort: Any) -> None:
    """One arena for every session of the process, of half the machine's memory at most.

    A small file can ask for arrays of any size; a request beyond the arena is an error of the library.
    """
    global _bounded
    if _bounded:
        return
    half = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    ort.create_and_register_allocator(
        ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT),
        ort.OrtArenaCfg({"max_mem": min(_MAX_MEMORY, half), "arena_extend_strategy": 1}),
    )
    _bounded = True


def _answer(checked: CheckedOnnx, name: str) -> _Answer:
    """The outputs that answer: probabilities before scores before labels."""
    outputs = checked.outputs
    maps = [value for value in outputs if value.maps]
    numbers = [
        value
        for value in outputs
        if not value.maps and value.element in _FLOATS and (value.shape is None or len(value.shape) <= 2)
    ]
    labels = [
        value
        for value in outputs
        if not value.maps and value.element in ("string", "int64", "int32") and len(value.shape or (0,)) <= 2
    ]
    if not maps and not numbers and not labels:
        shown = ", ".join(visible(value.name[:30]) for value in outputs[:4]) or "none"
        raise BadInput(f"{name} has the outputs {shown}; one must be an array (rows, numbers) or labels.")
    return _Answer(next(iter(maps or numbers), None), labels[0] if labels else None)


def _inferred(
    checked: CheckedOnnx,
    session: onnxruntime.InferenceSession,
    layout: Layout,
    answer: _Answer,
    inputs: dict[str, Any],
    name: str,
) -> tuple[ModelSignature, str]:
    """A signature from the graph and from what it answers to a few made-up rows, and a sentence on it."""
    reads = "one input a column" if layout.kind == "columns" else "its features in their order"
    if layout.kind == "images":
        reads = "pictures of the size that it says"
    if answer.scores is None:
        if not checked.classes:
            raise BadInput(
                f"{name} gives labels only and does not name its classes; a signature.json must name them."
            )
        found = {"task": _task(checked.classes), "output": "label", "classes": checked.classes}
        return ModelSignature.model_validate(
            {**found, **inputs}
        ), f"inputs are {reads}, it gives labels only."
    provisional = ModelSignature.model_validate({"task": "regression", "output": "score", **inputs})
    wanted = answer.scores
    probe = _probe(provisional)
    try:
        numbers = _numbers(_ask(session, layout, wanted, probe, provisional), wanted, checked.classes)
    except MemoryError:
        raise BadInput(f"{name} needs more memory for {_PROBE_ROWS} rows than it is given.") from None
    width, maker = numbers.shape[1], checked.makers.get(wanted.name, "")
    several = " Of its outputs, "
    several += f'"{visible(wanted.name[:60])}" was taken.'
    more = (
        several if sum(value.element in _FLOATS and not value.maps for value in checked.outputs) > 1 else ""
    )
    inside = bool(np.isfinite(numbers).all() and (numbers >= 0).all() and (numbers <= 1 + 1e-6).all())
    if width == 1:
        if maker == "Sigmoid" and inside:
            found = {"task": "binary", "output": "probability", "classes": checked.classes or ("0", "1")}
            said = "it ends in a sigmoid, so its number is taken as the probability of class 1."
        elif answer.labels is not None and len(checked.classes) == 2:
            second = checked.classes[1]
            labels = np.asarray(_ask(session, layout, answer.labels, probe, provisional)).reshape(-1)
            decides = np.array_equal(numbers[:, 0] > 0, labels.astype(str) == second)
            found = {"task": "binary", "output": "score" if decides else "label", "classes": checked.classes}
            inputs = {**inputs, "threshold": 0.0 if decides else None}
            said = f"of its two classes, {' and '.join(map(visible, checked.classes))}, its labels are read."
            if decides:
                said = (
                    f"its one number a row is a score of the class {visible(second)}, which it gives above 0."
                )
        else:
            found = {"task": "regression", "output": "score"}
            said = "its one number a row is taken as the number that it predicts."
        return ModelSignature.model_validate({**found, **inputs}), f"inputs are {reads}; {said}{more}"
    sums = inside and bool((np.abs(numbers.sum(axis=1) - 1) < 1e-3).all())
    classes = checked.classes if len(checked.classes) == width else tuple(map(str, range(width)))
    found = {"task": _task(classes), "output": "probability" if sums else "logit", "classes": classes}
    why = "rows sum to 1: probabilities" if sums else "rows do not sum to 1: logits"
    listed = ", ".join(visible(label[:40]) for label in classes[:12]) + (", …" if len(classes) > 12 else "")
    said = f"inputs are {reads}, its classes {listed}; on {_PROBE_ROWS} made-up rows its {why}.{more}"
    return ModelSignature.model_validate({**found, **inputs}), said


def _task(classes: Sequence[str]) -> str:
    return "binary" if len(classes) == 2 else "multiclass"


def _probe(signature: ModelSignature) -> npt.NDArray[Any]:
    rng = np.random.default_rng(0)
    if signature.image is not None:
        size = (signature.image.channels, signature.image.height, signature.image.width)
        return rng.random((_PROBE_ROWS, *size), dtype=np.float32)
    return rng.normal(size=(_PROBE_ROWS, len(signature.columns)))


def _ask(
    session: onnxruntime.InferenceSession,
    layout: Layout,
    wanted: OnnxValue,
    inputs: Inputs,
    signature: ModelSignature,
) -> Any:
    """The output `wanted` for these rows, in pieces of the batch that the model takes."""
    if layout.batch is None:
        return _run(session, layout.feed(inputs, signature), wanted)
    parts: list[Any] = []
    rows = len(inputs)
    for first in range(0, rows, layout.batch):
        places = np.minimum(np.arange(first, first + layout.batch), rows - 1)
        found = _run(session, layout.feed(take(inputs, places), signature), wanted)
        if len(found) != layout.batch:
            raise BadInput(f"The model answers {layout.batch:,} rows with {len(found):,} answers.")
        parts.append(found[: rows - first])
    if wanted.maps:
        return [row for part in parts for row in part]
    return np.concatenate(parts)


def _run(session: onnxruntime.InferenceSession, fed: dict[str, npt.NDArray[Any]], wanted: OnnxValue) -> Any:
    import onnxruntime as ort

    options = ort.RunOptions()
    options.log_severity_level = 4
    rows = len(next(iter(fed.values())))
    try:
        found = session.run([wanted.name], fed, options)[0]
    except Exception as error:  # the library's errors have no class in common
        if re.search(
            r"smaller than requested bytes|[Ff]ailed to allocate|out of memory|bad_alloc", str(error)
        ):
            raise MemoryError(_first(error)) from error
        raise BadInput(f"The ONNX model cannot be run on these rows: {_first(error)}.") from error
    if len(found) != rows:
        raise BadInput(f"The model answers {rows:,} rows with {len(found):,} answers.")
    return found


def _numbers(found: Any, wanted: OnnxValue, classes: tuple[str, ...]) -> npt.NDArray[np.float64]:
    """(rows, numbers) of an array, or of the maps that ZipMap makes, in the order of `classes`."""
    if not wanted.maps:
        return np.asarray(found, dtype=np.float64).reshape(len(found), -1)
    if not len(found):
        return np.zeros((0, len(classes)))
    keys = list(found[0])
    if [str(key) for key in keys] != list(classes):
        named = {str(key): key for key in keys}
        if set(named) != set(classes):
            raise BadInput("The model's probabilities are not those of the classes that it names.")
        keys = [named[name] for name in classes]
    return np.array([[row[key] for key in keys] for row in found], dtype=np.float64)


def _in_words(checked: CheckedOnnx) -> str:
    most = sorted(checked.operators.items(), key=lambda pair: (-pair[1], pair[0]))
    listed = ", ".join(f"{count} {visible(name[:40])}" for name, count in most[:6])
    more = f" and {len(most) - 6} more kinds" if len(most) > 6 else ""
    by = f", written by {visible(checked.producer)}" if checked.producer else ""
    return f"ONNX graph (operators {checked.opset}): {listed}{more}{by}"


def _first(error: Exception) -> str:
    """The sentence in a message of the library, without where in its source it was raised."""
    text = " ".join(str(error).split())
    text = re.sub(r"\[ONNXRuntimeError\] : \d+ : \w+ : ", "", text)
    text = re.sub(r"/onnxruntime_src/\S+ .*?\)(?: const)?(?: \[with .*?\])? ", "", text)
    return visible(text[:240]).rstrip(". ")


FORMAT = Onnx()
