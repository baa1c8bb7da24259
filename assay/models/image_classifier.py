"""Image classifiers that transformers itself ships: pixels scaled as preprocessor_config.json says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from assay.contracts import ImageInput, Lineage, ModelFacts, ModelSignature
from assay.errors import BadInput
from assay.intake.preprocessor import read_preprocessor
from assay.models.base import Inputs
from assay.models.text_classifier import named_classes
from assay.models.torch_model import TorchModel, normalise
from assay.models.transformer import first_line

if TYPE_CHECKING:
    import torch

__all__ = ["ImageClassifier", "image_classifier"]


class ImageClassifier(TorchModel):
    """A transformer (or convolutional network of transformers) over images of one size."""

    most_rows = 64

    def encode(self, inputs: Inputs) -> torch.Tensor:
        import torch

        assert self.signature.image is not None
        images = torch.from_numpy(np.ascontiguousarray(inputs, dtype=np.float32)).to(self.device)
        return normalise(images, self.signature.image)

    def logits(self, encoded: Any) -> torch.Tensor:
        found: torch.Tensor = self.module(pixel_values=encoded).logits
        return found

    def write(self, folder: Path, lineage: Lineage) -> Path:
        """The network, its signature and its lineage; the signature says what the processor's file did."""
        from assay.models.text_classifier import write_network

        return write_network(folder, self.module, self.signature, lineage)


def image_classifier(
    module: torch.nn.Module, folder: Path, signature: ModelSignature | None, facts: ModelFacts
) -> ImageClassifier:
    """The network with what `folder` says of its images.

    Raises BadInput: no size or scale, classes or a size that do not fit the network.
    """
    config: Any = module.config
    notes: tuple[str, ...] = ()
    if signature is None:
        channels = int(getattr(config, "num_channels", 3))
        said = read_preprocessor(folder, channels, getattr(config, "image_size", None))
        signature, notes = _inferred(config, said.image, facts.name), said.notes
    if signature.image is None:
        raise BadInput(
            f"{facts.name}: an image classifier reads images, its signature describes {signature.modality} "
            "data."
        )
    model = ImageClassifier(module, signature, facts)
    model.notes.extend(notes)
    _try_an_image(model, signature.image, facts.name)
    return model


def _inferred(config: Any, image: ImageInput, name: str) -> ModelSignature:
    if config.problem_type == "multi_label_classification":
        raise BadInput(f"{name} gives several labels at once; Assay audits one class an image.")
    classes = named_classes(config, name)
    if len(classes) == 1:
        return ModelSignature(task="regression", output="score", image=image)
    return ModelSignature(
        task="binary" if len(classes) == 2 else "multiclass", output="logit", classes=classes, image=image
    )


def _try_an_image(model: ImageClassifier, image: ImageInput, name: str) -> None:
    import torch

    black = np.zeros((1, image.channels, image.height, image.width), dtype=np.float32)
    try:
        with torch.inference_mode():
            found = model.logits(model.encode(black))
    except (RuntimeError, ValueError, IndexError, AttributeError, TypeError) as error:
        raise BadInput(
            f"{name}: the network cannot take an image of {image.channels} × {image.height} × {image.width} "
            f"({first_line(error)})."
        ) from error
    if found.ndim != 2 or found.shape[-1] != model.outputs:
        raise BadInput(
            f"{name} gives {found.shape[-1]} outputs an image, its signature describes {model.outputs}."
        )
