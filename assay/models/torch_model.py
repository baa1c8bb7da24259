"""Networks in torch: encoding, logits that can be differentiated, scores."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from assay.contracts import Capability, ImageInput, Lineage, ModelFacts, ModelSignature
from assay.errors import BadInput, Internal
from assay.models.base import Inputs, Model
from assay.models.encoding import TableEncoder

if TYPE_CHECKING:
    import torch

__all__ = ["ArrayNetwork", "TorchModel", "choose_device", "count_parameters"]

Floats = npt.NDArray[np.float64]


def choose_device(asked: str) -> str:
    """`cpu` or `cuda:N`. Raises BadInput for a GPU that is not there."""
    import torch

    if asked == "cpu":
        return "cpu"
    if asked == "auto":
        return "cuda:0" if torch.cuda.is_available() else "cpu"
    name, _, number = asked.partition(":")
    if name != "cuda" or (number and not number.isdigit()):
        raise BadInput(f'There is no device "{asked}"; use auto, cpu, cuda or cuda:N.')
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if int(number or 0) >= there:
        has = f"{there} of them" if there else "no GPU that torch can use"
        raise BadInput(f'"{asked}" was asked for, but this machine has {has}; use --device cpu or auto.')
    return f"cuda:{int(number or 0)}"


def count_parameters(module: torch.nn.Module) -> tuple[int, int, int]:
    """Parameters, those that train, and bytes of parameters and buffers."""
    parameters = list(module.parameters())
    tensors = [*parameters, *module.buffers()]
    return (
        sum(p.numel() for p in parameters),
        sum(p.numel() for p in parameters if p.requires_grad),
        sum(t.numel() * t.element_size() for t in tensors),
    )


class TorchModel(Model):
    """A network. `module` is in evaluation mode; `encode` and `logits` are all that methods need of it."""

    kind_capabilities: ClassVar[tuple[Capability, ...]] = (
        "query",
        "gradients",
        "layers",
        "weights",
        "trainable",
    )

    def __init__(
        self,
        module: torch.nn.Module,
        signature: ModelSignature,
        facts: ModelFacts,
        *,
        batch_rows: int = 1024,
    ) -> None:
        super().__init__(signature, facts, batch_rows=batch_rows)
        self.module = module.to(facts.device).eval()

    @abstractmethod
    def encode(self, inputs: Inputs) -> Any:
        """Raw rows -> what `logits` takes, on the model's device: a float32 tensor, or a dict for texts."""

    @abstractmethod
    def logits(self, encoded: Any) -> torch.Tensor:
        """(rows, classes) before the softmax, differentiable; (rows, 1) for regressions and plain scores."""

    def copy(self) -> Self:
        """The same model around a copy of its network, which may be trained without touching this one."""
        found = copy.copy(self)
        found.module = copy.deepcopy(self.module)
        found.notes = list(self.notes)
        return found

    def write(self, folder: Path, lineage: Lineage) -> Path:
        """Write the network as it now is, in the format it came in, with its signature and lineage.

        Raises Internal: a format that can be read but not written.
        """
        raise Internal(f"A model in the format {self.facts.format} cannot be written.")

    def probabilities(self, logits: torch.Tensor) -> torch.Tensor:
        """Softmax where the output is a logit; the output itself otherwise."""
        return logits.softmax(dim=-1) if self.signature.output == "logit" else logits

    def _outputs(self, inputs: Inputs) -> Floats:
        import torch

        with torch.inference_mode():
            found = self.logits(self.encode(inputs))
        return np.asarray(found.double().cpu().numpy())


class ArrayNetwork(TorchModel):
    """A network over tables or images: `encode` gives one float32 tensor.

    Tables: (rows, width) by `TableEncoder`. Images: (rows, channels, height, width), (x - mean) / scale.

    Args:
        architecture, config: what `assay.models.architectures.build` made the network from.
    """

    def __init__(
        self,
        module: torch.nn.Module,
        signature: ModelSignature,
        facts: ModelFacts,
        *,
        architecture: str,
        config: Mapping[str, Any],
        batch_rows: int = 1024,
    ) -> None:
        super().__init__(module, signature, facts, batch_rows=batch_rows)
        self.architecture = architecture
        self.config = dict(config)
        self.encoder = TableEncoder(signature.columns) if signature.columns else None

    def encode(self, inputs: Inputs) -> torch.Tensor:
        import torch

        rows = np.asarray(inputs)
        if self.encoder is not None:
            return torch.from_numpy(self.encoder.encode(rows)).to(self.device)
        assert self.signature.image is not None
        images = torch.from_numpy(np.ascontiguousarray(rows, dtype=np.float32)).to(self.device)
        return normalise(images, self.signature.image)

    def logits(self, encoded: Any) -> torch.Tensor:
        found: torch.Tensor = self.module(encoded)
        return found

    def write(self, folder: Path, lineage: Lineage) -> Path:
        from assay.models.torch_folder import write_torch_folder

        return write_torch_folder(
            folder, self.module, self.architecture, self.config, self.signature, lineage
        )


def normalise(images: torch.Tensor, image: ImageInput) -> torch.Tensor:
    """(x - mean) / scale a channel; differentiable."""
    import torch

    mean = torch.tensor(image.mean, dtype=images.dtype, device=images.device).view(1, -1, 1, 1)
    scale = torch.tensor(image.scale, dtype=images.dtype, device=images.device).view(1, -1, 1, 1)
    return (images - mean) / scale
