"""Networks: a torch_folder where the architecture is Assay's own and answers alike, else ONNX or .pt2."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.conversion.request import ConvertRequest, Written
from assay.conversion.signatures import from_request
from assay.errors import BadInput

if TYPE_CHECKING:
    import torch

    from assay.contracts import ModelSignature

__all__ = ["write_network"]

_CLOSE = 1e-4
_MOST_ROWS = 4_096


def write_network(module: Any, came_as: str, request: ConvertRequest, scratch: Path) -> Written:
    """Write a network of the owner's. Raises BadInput: it does not export, or its inputs are not known."""
    import torch

    if request.checkpoint is not None:
        _fill(module, request.checkpoint)
    module = module.cpu().float().eval()
    shape = _row_shape(request, scratch)
    example = torch.rand((2, *shape), generator=torch.Generator().manual_seed(0))
    try:
        with torch.no_grad():
            answer = module(example)
    except Exception as error:
        raise BadInput(
            f"The network does not take rows of shape {'x'.join(map(str, shape))}: {_first(error)}."
        ) from error
    if not isinstance(answer, torch.Tensor) or answer.dim() != 2 or len(answer) != 2:
        raise BadInput(
            "The network must answer with one tensor of (rows, outputs); wrap it in a module that does."
        )
    signature, notes = from_request(request, answer.shape[1], scratch)
    request.out.mkdir(parents=True, exist_ok=True)
    ours = _as_ours(module, signature, example, answer)
    if ours is not None:
        from assay.models.torch_folder import write_torch_folder

        name, config, network = ours
        write_torch_folder(request.out, network, name, config, signature)
        notes.append(f"It is Assay's own architecture {name}, and answers alike on random rows.")
        return Written(request.out, came_as, None, notes)
    scripted = isinstance(module, torch.jit.ScriptModule)
    if request.to == "pt2" and not scripted:
        _exported(module, example, request.out / "model.pt2")
        notes.append("A .pt2 is of class B: it is cleaned, and opened only where the sandbox is complete.")
    else:
        _onnx(module, example, request.out / "model.onnx", scripted=scripted)
        if request.to == "pt2":
            notes.append("TorchScript does not export to .pt2; it was written as ONNX.")
    return Written(request.out, came_as, signature, notes)


def _row_shape(request: ConvertRequest, scratch: Path) -> tuple[int, ...]:
    signature = request.signature
    if signature is not None and signature.image is not None:
        return signature.image.channels, signature.image.height, signature.image.width
    if signature is not None and signature.columns:
        return (sum(column.width for column in signature.columns),)
    if request.shape is not None:
        return request.shape
    if request.data is not None:
        from assay.conversion.signatures import columns_of

        names = columns_of(request.data, request.label, scratch)
        return (len([name for name in names if name != request.label]),)
    raise BadInput(
        "Nothing tells what this network reads: give --data FILE --label COL (plain numbers), --shape "
        "3x32x32 "
        "(images) or --signature FILE (docs/models.md)."
    )


def _fill(module: Any, checkpoint: Path) -> None:
    """Load weights into the owner's module, read without unpickling."""
    from assay.intake.torch_saved import looks_like_torch_saved, read_saved
    from assay.models.torch_checkpoint import tensor_of

    if not checkpoint.is_file() or not looks_like_torch_saved(checkpoint):
        raise BadInput(f"{checkpoint.name} (--checkpoint) is no file of torch.save.")
    saved = read_saved(checkpoint, checkpoint.name)
    weights = {name: tensor_of(stored, saved.read(stored.storage)) for name, stored in saved.tensors.items()}
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        raise BadInput(f"{checkpoint.name} does not fit the module: {_first(error)}.") from error


def _as_ours(
    module: Any, signature: ModelSignature, example: torch.Tensor, answer: torch.Tensor
) -> tuple[str, dict[str, Any], torch.nn.Module] | None:
    """Names and shapes may be equal where the computation is not: the answers decide."""
    import torch

    from assay.models.architectures import build
    from assay.models.architectures.recognise import recognise

    weights = module.state_dict()
    shapes = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    found = recognise(shapes, signature.image)
    if found is None:
        return None
    network = build(found.id, found.config).eval()
    network.load_state_dict(weights)
    with torch.no_grad():
        other = network(example)
    alike = other.shape == answer.shape and bool(torch.allclose(other, answer, atol=_CLOSE, rtol=_CLOSE))
    return (found.id, found.config, network) if alike else None


def _exported(module: Any, example: torch.Tensor, path: Path) -> None:
    import torch

    rows = torch.export.Dim("rows", min=1, max=_MOST_ROWS)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.export.export(module, (example,), dynamic_shapes=({0: rows},))
            torch.export.save(program, path)
    except Exception as error:
        raise BadInput(f"torch.export does not take this network: {_first(error)}.") from error


def _onnx(module: Any, example: torch.Tensor, path: Path, *, scripted: bool) -> None:
    import torch

    named: dict[str, Any] = {"input_names": ["rows"], "output_names": ["answers"]}
    if scripted:
        named.update(dynamo=False, dynamic_axes={"rows": {0: "n"}, "answers": {0: "n"}})
    else:
        named.update(dynamo=True, dynamic_shapes=({0: torch.export.Dim("n", min=1)},), external_data=False)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(module, (example,), str(path), verbose=False, **named)
    except (ModuleNotFoundError, torch.onnx.errors.OnnxExporterError) as error:
        if isinstance(error, ModuleNotFoundError) or isinstance(error.__cause__, ModuleNotFoundError):
            raise BadInput(
                "Writing ONNX needs the packages onnx and onnxscript, which are not installed here: pip "
                "install onnx onnxscript, or take --to pt2."
            ) from error
        raise BadInput(f"torch.onnx.export does not take this network: {_first(error)}.") from error
    except Exception as error:
        raise BadInput(f"torch.onnx.export does not take this network: {_first(error)}.") from error


def _first(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:200].rstrip(".:")
