"""Grad-CAM maps of single images through captum, on the last convolution that the network runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch

    from assay.models.torch_model import TorchModel

__all__ = ["ActivationMap", "activation_map", "last_convolution"]

Floats = npt.NDArray[np.float64]


class ActivationMap(NamedTuple):
    """cells: at the layer's own size, (h, w); pixels: interpolated to the image's, (height, width)."""

    cells: Floats
    pixels: Floats


def last_convolution(model: TorchModel, encoded: torch.Tensor) -> str | None:
    """Name of the last 2-D convolution that runs when `encoded` passes; None where there is none.

    The order of running counts, not that of definition: a network may list its layers in any order.
    """
    import torch

    ran: list[str] = []
    hooks = [
        layer.register_forward_hook(lambda *_, name=name: ran.append(name))
        for name, layer in model.module.named_modules()
        if isinstance(layer, torch.nn.Conv2d)
    ]
    try:
        with torch.inference_mode():
            model.logits(encoded)
    finally:
        for hook in hooks:
            hook.remove()
    return ran[-1] if ran else None


def activation_map(model: TorchModel, layer: str, encoded: torch.Tensor, output: int) -> ActivationMap:
    """ReLU(sum_k a_k A_k), a_k = mean over places of d y / d A_k, A the layer's output, y the logit.

    Args:
        encoded: one image, (1, channels, height, width).
        output: the class whose logit (or the number) is explained.

    Source: Selvaraju et al. 2017, equations 1 and 2.
    """
    from captum.attr import LayerAttribution, LayerGradCam

    explainer = LayerGradCam(model.logits, model.module.get_submodule(layer))
    found = explainer.attribute(encoded, target=output, relu_attributions=True).detach().double()
    size = (int(encoded.shape[2]), int(encoded.shape[3]))
    pixels = LayerAttribution.interpolate(found, size, interpolate_mode="bilinear")
    return ActivationMap(found[0, 0].cpu().numpy(), pixels[0, 0].cpu().numpy())
