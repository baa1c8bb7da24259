"""What the child takes away from itself before it opens anything of the user's.

First layers: it dies with its parent, can gain no privileges, dumps no core, opens few files, may not
write more than a limit, and knows no more of the environment than a fixed list. Stronger layers
(namespaces, Landlock, seccomp) belong to the intake of models. Each layer reports whether it is on.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Mapping

__all__ = ["ENVIRONMENT", "child_environment", "contains", "lock_down"]

ENVIRONMENT = (
    "LANG",
    "LC_ALL",
    "TZ",
    # Numerical kernels must be the same in child and parent, or last bits differ.
    "OPENBLAS_CORETYPE",
    "OPENBLAS_L2_SIZE",
    "OMP_NUM_THREADS",
    "CUDA_VISIBLE_DEVICES",
)
"""The only variables of the parent that the child sees."""

_FIXED = {
    "PYTHONHASHSEED": "0",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
"""What the child is told besides: the same order of sets each time, and no way to a model hub."""

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_MAX_OPEN_FILES = 256
_MAX_FILE_BYTES = 64 * 1024**3


def child_environment(parent: Mapping[str, str], scratch: str) -> dict[str, str]:
    """The child's whole environment: the fixed list, fixed settings, and the scratch folder as home."""
    environment = {name: parent[name] for name in ENVIRONMENT if name in parent}
    environment.update(_FIXED, HOME=scratch, TMPDIR=scratch, PATH=os.defpath)
    return environment


def lock_down(parent: int) -> dict[str, bool]:
    """Apply every layer this system has; returns layer -> active.

    Args:
        parent: process id of the supervisor; the child ends at once if that is no longer its parent.
    """
    layers = {
        "private_protocol_descriptor": True,
        "minimal_environment": not (set(os.environ) - set(ENVIRONMENT) - _OURS),
        "own_session": os.getsid(0) == os.getpid(),
        "dies_with_parent": _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL),
        "no_new_privileges": _prctl(_PR_SET_NO_NEW_PRIVS, 1),
        "resource_limits": _limit(),
    }
    if os.getppid() != parent:
        sys.exit("The supervisor ended before its child was ready.")
    return layers


def contains(layers: Mapping[str, bool]) -> bool:
    """Whether these layers keep foreign code in, so that more than class A may be opened."""
    return all(layers.get(name, False) for name in ("namespaces", "landlock", "seccomp"))


_OURS = {"HOME", "TMPDIR", "PATH", "LC_CTYPE", "__CF_USER_TEXT_ENCODING", *_FIXED}


def _prctl(option: int, value: int) -> bool:
    if not sys.platform.startswith("linux"):
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.prctl(option, value, 0, 0, 0) == 0)


def _limit() -> bool:
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        files = _MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(_MAX_OPEN_FILES, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
        resource.setrlimit(resource.RLIMIT_FSIZE, (_MAX_FILE_BYTES, _MAX_FILE_BYTES))
    except (OSError, ValueError):
        return False
    return True
