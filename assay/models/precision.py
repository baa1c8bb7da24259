"""Full float32 arithmetic and gradients in evaluation mode, for explanations whose parts must add up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

__all__ = ["full_precision"]


@contextmanager
def full_precision(module: torch.nn.Module) -> Iterator[None]:
    """No TF32 and no autocast to 16 bits inside; gradients of `module` without training mode.

    On GPUs torch convolves in TF32 by default: 10 bits of mantissa, so that attributions miss the change of
    the output that they should add up to by about 1e-3 of it. And cuDNN's recurrent layers give no gradient
    in evaluation mode; torch's own do.
    """
    import torch

    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32, cudnn.enabled
    recurrent = any(isinstance(layer, torch.nn.RNNBase) for layer in module.modules())
    matmul.allow_tf32 = cudnn.allow_tf32 = False
    cudnn.enabled = cudnn.enabled and not recurrent
    try:
        with torch.autocast("cuda", enabled=False), torch.autocast("cpu", enabled=False):
            yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32, cudnn.enabled = before
