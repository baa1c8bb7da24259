"""What the child takes away from itself before it opens anything of the user's.

It leaves the machine's network and IPC, gives up every privilege, dies with its parent, reaches no file but
those that it was started for and what its libraries need (Landlock), and may not ask the kernel for anything
else: no other program or process, no socket (seccomp). It dumps no core, opens few files, may not write more
than a limit, and knows no more of the environment than a fixed list. Each layer reports whether it is on.

Standard library only: it has to be done before a library has started a thread.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from assay.runner import landlock, namespaces, seccomp
from assay.runner.libc import prctl
from assay.runner.profiles import PROFILES, Profile, ProfileName
from assay.runner.reach import device_rules, library_rules, program_rules

__all__ = ["ENVIRONMENT", "Confinement", "child_environment", "contains", "lock_down"]

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
    # Who asks for the user's name is not answered from /etc/passwd.
    "LOGNAME": "assay",
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


class Confinement(NamedTuple):
    """What one child needs to reach. As it stands: nothing of the user's."""

    read: tuple[str, ...] = ()
    """Files, and folders with what is below them."""
    write: tuple[str, ...] = ()
    """Folders to read and write."""
    profile: ProfileName = "audit"
    devices: bool = False
    """Whether it may use this machine's GPUs."""

    @classmethod
    def of(cls, message: Mapping[str, Any]) -> Confinement:
        """From the supervisor's message. Raises KeyError for a profile that is not in the table."""
        profile = message["profile"]
        PROFILES[profile]
        return cls(tuple(message["read"]), tuple(message["write"]), profile, bool(message["devices"]))


def lock_down(
    parent: int, confinement: Confinement | None = None, without: Collection[str] = ()
) -> dict[str, bool]:
    """Apply every layer this system has; returns layer -> active.

    Args:
        parent: process id of the supervisor; the child ends at once if that is no longer its parent.
        confinement: what stays in reach; nothing of the user's by default.
        without: layers to leave out, for the tests that show what each of them does.
    """
    confinement = confinement or Confinement()
    profile = PROFILES[confinement.profile]
    layers = {
        "private_protocol_descriptor": True,
        "minimal_environment": not (set(os.environ) - set(ENVIRONMENT) - _OURS),
        "own_session": os.getsid(0) == os.getpid(),
        "resource_limits": _limit(),
        "namespaces": "namespaces" not in without and _leave(profile),
        "no_capabilities": "no_capabilities" not in without and namespaces.drop_capabilities(),
        # After what changes credentials, which would take it back.
        "dies_with_parent": prctl(_PR_SET_PDEATHSIG, signal.SIGKILL),
        "no_new_privileges": prctl(_PR_SET_NO_NEW_PRIVS, 1),
    }
    if os.getppid() != parent:
        sys.exit("The supervisor ended before its child was ready.")
    layers["landlock"] = "landlock" not in without and _keep_to(confinement, profile)
    layers["seccomp"] = "seccomp" not in without and seccomp.switch_on(profile)
    if profile.needs_containment and not contains(layers):
        sys.exit(
            f"Profile {confinement.profile} needs namespaces, Landlock and seccomp; this machine lacks one."
        )
    return layers


def contains(layers: Mapping[str, bool]) -> bool:
    """Whether these layers keep foreign code in, so that more than class A may be opened."""
    return all(layers.get(name, False) for name in ("namespaces", "landlock", "seccomp"))


_OURS = {"HOME", "TMPDIR", "PATH", "LC_CTYPE", "__CF_USER_TEXT_ENCODING", *_FIXED}


def _leave(profile: Profile) -> bool:
    if not namespaces.enter():
        return False
    try:
        if profile.loopback:
            namespaces.raise_loopback()
    except OSError:
        return False
    return True


def _keep_to(confinement: Confinement, profile: Profile) -> bool:
    """Landlock around what is needed; False where the kernel has none."""
    if not landlock.version():
        return False
    rules = library_rules()
    more = [program_rules(profile.runs)]
    if confinement.devices:
        more.append(device_rules(os.environ.get("CUDA_VISIBLE_DEVICES")))
    more.append(dict.fromkeys(confinement.read, landlock.READ))
    more.append(dict.fromkeys(confinement.write, landlock.WRITE))
    for found in more:
        for path, access in found.items():
            rules[path] = rules.get(path, 0) | access
    try:
        # Held open for good: /proc would make the folder anew if the kernel forgot it, without its rule.
        os.open("/proc/self", os.O_PATH | os.O_CLOEXEC)
        return landlock.restrict(rules, tcp=profile.loopback)
    except OSError:
        return False


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
