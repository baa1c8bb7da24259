"""exported_program: a .pt2 of torch.export.save, alone or in a folder beside signature.json; class B.

torch's own loader unpickles sample inputs, custom constants and whatever payload says so, and evaluates
expressions as Python. So the archive is taken apart without torch and written anew
(`assay.intake.exported_archive`), and only that is loaded, also when the file was cleaned before.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from assay.contracts import (
    Capability,
    FormatSpec,
    ImageInput,
    InputColumn,
    Lineage,
    ModelFacts,
    ModelSignature,
)
from assay.datasets.values import visible
from assay.errors import BadInput, Internal
from assay.intake.exported_archive import looks_like_exported_program, read_program
from assay.intake.model_files import folder_digest, read_lineage, read_signature, the_file
from assay.models.torch_model import ArrayNetwork

if TYPE_CHECKING:
    import torch

    from assay.intake.exported_graph import CleanGraph

__all__ = ["FORMAT", "ExportedNetwork", "ExportedProgramFormat"]

PROGRAM, SIGNATURE, LINEAGE = "model.pt2", "signature.json", "lineage.json"
_MOST_COLUMNS = 100_000


class ExportedNetwork(ArrayNetwork):
    """A graph of operators on tensors. It can be asked and differentiated, not trained: it has one mode.

    Args:
        least_rows, most_rows: how many rows the program takes at once; what lacks is padded, what is more
            goes in pieces.
    """

    kind_capabilities: ClassVar[tuple[Capability, ...]] = ("query", "gradients", "weights")

    def __init__(self, *arguments: Any, least_rows: int, most_rows: int | None, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._least, self._most = least_rows, most_rows

    def logits(self, encoded: Any) -> torch.Tensor:
        import torch

        most = self._most or max(len(encoded), 1)
        parts = []
        for piece in encoded.split(most) if len(encoded) else [encoded]:
            lacking = self._least - len(piece)
            if lacking > 0:
                rows: torch.Tensor = torch.nn.functional.pad(piece, (0, 0) * (piece.dim() - 1) + (0, lacking))
            else:
                rows = piece
            parts.append(self.module(rows)[: len(piece)])
        return torch.cat(parts)

    def write(self, folder: Path, lineage: Lineage) -> Path:
        raise Internal("An exported program cannot be written with other weights.")


class ExportedProgramFormat:
    """Programs of operators on tensors, written anew before torch sees them."""

    spec = FormatSpec(
        id="exported_program",
        title="exported torch program (.pt2)",
        recognised_by="a zip of torch.export.save with models/ and archive_format, alone or in a folder "
        "beside signature.json",
        trust="B",
        modalities=("table", "image"),
    )

    def recognise(self, path: Path) -> bool:
        return the_file(path, looks_like_exported_program) is not None

    def clean(self, path: Path, signature: ModelSignature | None, into: Path) -> Sequence[str]:
        file = self._file(path)
        shown = visible(file.name)
        own = file.parent / SIGNATURE
        beside = read_signature(own) if file != path and own.is_file() else None
        program = read_program(file, shown)
        told, notes = signature or beside, tuple[str, ...]()
        if told is None:
            told, notes = _inferred(program.graph, shown)
        (into / PROGRAM).write_bytes(program.archive)
        (into / SIGNATURE).write_text(told.model_dump_json(indent=1, by_alias=True) + "\n")
        return (
            f"{shown} was taken apart without torch: its graph of {program.graph.nodes:,} operators was read "
            f"by a closed grammar and written anew, with the raw bytes of its "
            f"{len(program.graph.weights):,} tensors; names, expressions and tree specs are Assay's own.",
            *program.left_out,
            *notes,
        )

    def load(self, path: Path, signature: ModelSignature | None, device: str) -> ExportedNetwork:
        file = self._file(path)
        name = visible(path.name)
        beside = file.parent / SIGNATURE
        if signature is None and (file == path or not beside.is_file()):
            raise Internal(f"{name} was not cleaned: it has no signature beside it.")
        found = signature or read_signature(beside)
        program = read_program(file, name)
        graph = program.graph
        called = {weight.written: visible(weight.name[:80]) for weight in graph.weights}
        module = _module(program.archive, name, device, called)
        _check_shapes(graph, found, name)
        parameters = sum(tensor.numel() for tensor in module.parameters())
        facts = ModelFacts(
            name=name,
            format="exported_program",
            sha256=folder_digest(path),
            architecture=f"exported program of {graph.nodes:,} operators, {_by(graph.shape)} -> "
            f"{_by(graph.output)}",
            parameters=parameters,
            trainable_parameters=0,
            weight_bytes=sum(t.numel() * t.element_size() for t in [*module.parameters(), *module.buffers()]),
            dtype="float32",
            device=device,
            lineage=read_lineage(file.parent / LINEAGE) if file != path else None,
        )
        model = ExportedNetwork(
            module,
            found,
            facts,
            architecture="exported_program",
            config={},
            least_rows=graph.least_rows,
            most_rows=graph.most_rows,
        )
        if graph.least_rows == graph.most_rows:
            model.notes.append(
                f"The program takes {graph.most_rows:,} rows at a time and no other number: rows go in in "
                "such pieces, the last one filled up with zeros."
            )
        _try_it(model, name)
        return model

    @staticmethod
    def _file(path: Path) -> Path:
        file = the_file(path, looks_like_exported_program)
        if file is None:
            raise Internal(f"{path.name} is no exported program.")
        return file


def _module(archive: bytes, name: str, device: str, called: Mapping[str, str]) -> torch.nn.Module:
    """The program as a module in torch's hands.

    Args:
        called: name of each weight here -> in what came in.

    Raises BadInput: torch cannot load or place it; weights that are not finite.
    """
    import torch
    from torch.export.passes import move_to_device_pass
    from torch.export.pt2_archive._package import load_pt2

    try:
        program = load_pt2(io.BytesIO(archive)).exported_programs["model"]
        if device != "cpu":
            program = move_to_device_pass(program, device)
        for key, tensor in program.state_dict.items():
            if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
                raise BadInput(f'{name}: "{called[key]}" holds NaN or infinite weights; training went wrong.')
        module = program.module(check_guards=False)
    except BadInput:
        raise
    except Exception as error:  # whatever torch's loader trips over, it is the program that does not fit
        raise BadInput(f"{name} cannot be loaded by torch {torch.__version__}: {_first(error)}.") from error
    return _one_mode(module)


def _one_mode(module: torch.nn.Module) -> torch.nn.Module:
    """The program in a module that takes train() and eval(), which exported ones refuse, and stays."""
    import torch

    class OneMode(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = module

        def train(self, mode: bool = True) -> Any:
            self.training = mode
            return self

        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = self.inner(rows)
            return found

    return OneMode()


def _inferred(graph: CleanGraph, shown: str) -> tuple[ModelSignature, tuple[str, ...]]:
    """Plain numbers or pixels, classes "0", "1", ... Raises BadInput where even that cannot be told."""
    outputs = graph.output[-1] if len(graph.output) == 2 else None
    sizes = graph.shape[1:]
    if outputs is None or outputs < 2 or None in sizes or len(sizes) not in (1, 3):
        raise BadInput(
            f"{shown} reads {_by(graph.shape)} and answers {_by(graph.output)}, which does not tell what it "
            "means; put a signature.json beside it or pass --signature (docs/models.md)."
        )
    classes = tuple(str(place) for place in range(outputs))
    output = "probability" if graph.last_operator in ("softmax", "_softmax") else "logit"
    told: dict[str, Any] = {
        "task": "binary" if outputs == 2 else "multiclass",
        "output": output,
        "classes": classes,
    }
    if len(sizes) == 1:
        width = sizes[0] or 0
        if not 1 <= width <= _MOST_COLUMNS:
            raise BadInput(f"{shown} reads {width:,} numbers a row; at most {_MOST_COLUMNS:,} are read.")
        told["columns"] = [
            InputColumn(name=f"f{place}", kind="number", encoding="identity") for place in range(width)
        ]
        reads = f"plain numbers from columns f0 to f{width - 1}"
    else:
        channels, height, width = (size or 0 for size in sizes)
        if not (1 <= channels <= 4 and 1 <= height <= 4096 and 1 <= width <= 4096):
            raise BadInput(f"{shown} reads {_by(graph.shape)}, which are no images of 1 to 4 channels.")
        told["image"] = ImageInput(channels=channels, height=height, width=width)
        reads = f"images of {channels} x {height} x {width} in [0, 1], neither centred nor scaled"
    return ModelSignature.model_validate(told), (
        f'Its classes are called "0" to "{outputs - 1}" in the order of its outputs, its output is taken for '
        f"a {output}, and it is taken to read {reads}: assumed, for the file does not say; a signature.json "
        "beside it or --signature says otherwise.",
    )


def _check_shapes(graph: CleanGraph, signature: ModelSignature, name: str) -> None:
    """The signature and the program must tell of the same inputs."""
    if signature.modality == "text":
        raise BadInput(f"{name}: an exported program reads tables or images, its signature describes text.")
    if signature.image is not None:
        wanted = (signature.image.channels, signature.image.height, signature.image.width)
    else:
        wanted = (sum(column.width for column in signature.columns),)  # type: ignore[assignment]
    sizes = graph.shape[1:]
    if len(sizes) != len(wanted) or any(a not in (None, b) for a, b in zip(sizes, wanted, strict=True)):
        raise BadInput(f"{name} reads {_by(graph.shape)}; its signature describes {_by((None, *wanted))}.")


def _try_it(model: ExportedNetwork, name: str) -> None:
    """Two rows of zeros: finite answers, as many as the signature says, the same for the same row."""
    import torch

    signature = model.signature
    width = model.encoder.width if model.encoder is not None else 0
    image = signature.image
    shape = (2, width) if image is None else (2, image.channels, image.height, image.width)
    expected = 1 if signature.output == "score" else len(signature.classes)
    try:
        with torch.inference_mode():
            found = model.logits(torch.zeros(shape, device=model.device))
    except Exception as error:  # a graph that lies about itself fails in many ways, all of them its own
        raise BadInput(f"{name}: the program fails on two rows of zeros: {_first(error)}.") from error
    if found.shape != (2, expected):
        raise BadInput(
            f"{name}: the program gives {_by(tuple(found.shape))} for two rows; its signature describes "
            f"{expected} outputs a row."
        )
    if not bool(torch.isfinite(found).all()):
        raise BadInput(f"{name} answers rows of zeros with NaN or infinite numbers.")


def _by(sizes: tuple[int | None, ...]) -> str:
    return " x ".join("rows" if size is None else f"{size:,}" for size in sizes) or "a single number"


def _first(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return visible((lines[0] if lines else type(error).__name__)[:200]).rstrip(".:")


FORMAT = ExportedProgramFormat()
