"""shap, imported so that its loops run as plain Python: compiling them takes longer than any test here."""

from __future__ import annotations

import os

os.environ.setdefault("NUMBA_DISABLE_JIT", "1")

import shap  # the setting above must come first

__all__ = ["shap"]
