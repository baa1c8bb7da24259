"""Which GPUs this worker may hand out, one to a slot."""

from __future__ import annotations

import os
from collections.abc import Mapping

__all__ = ["gpus"]


def gpus(environment: Mapping[str, str] | None = None) -> list[str]:
    """Names for CUDA_VISIBLE_DEVICES: those that the variable allows, or all that the driver shows.

    Asks the driver's management library, never torch: a worker supervises and loads no model.
    """
    allowed = (os.environ if environment is None else environment).get("CUDA_VISIBLE_DEVICES")
    if allowed is not None:
        # CUDA itself ignores what follows the first invalid entry
        names = [name.strip() for name in allowed.split(",")]
        return names[: names.index("-1")] if "-1" in names else [name for name in names if name]
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception:
        return []
    try:
        return [str(index) for index in range(pynvml.nvmlDeviceGetCount())]
    finally:
        pynvml.nvmlShutdown()
