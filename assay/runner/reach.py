"""Which paths a child reaches besides its request's: what Python, its libraries and a GPU's driver need."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

from assay.runner.landlock import DEVICE, EXECUTE, READ

__all__ = ["device_rules", "library_rules", "program_rules"]

_SYSTEM = (
    # shared libraries, and how the loader finds them
    *("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/nix/store", "/etc/ld.so.cache"),
    # dates and languages
    *("/usr/share/zoneinfo", "/usr/share/locale", "/etc/localtime", "/etc/timezone"),
    # what the standard library's mimetypes and platform open where they find it
    *("/etc/mime.types", "/etc/os-release"),
    # how many cores and how much memory there are
    *("/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/version", "/proc/filesystems"),
    *("/proc/sys/vm/overcommit_memory", "/proc/sys/vm/max_map_count", "/proc/sys/kernel/osrelease"),
    *("/sys/devices/system/cpu", "/sys/devices/system/node", "/sys/kernel/mm/transparent_hugepage"),
    *("/sys/fs/cgroup/cpu.max", "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/cpu/cpu.cfs_quota_us"),
    "/sys/fs/cgroup/cpu/cpu.cfs_period_us",
    "/proc/self",
)
_DEVICES = {"/dev/null": DEVICE, "/dev/zero": DEVICE, "/dev/urandom": READ, "/dev/random": READ}

_GPU_NODES = (
    *("dev/nvidiactl", "dev/nvidia-uvm", "dev/nvidia-uvm-tools", "dev/nvidia-modeset"),
    *("dev/nvidia-caps", "dev/nvidia-caps-imex-channels"),
)
_GPU_FILES = (
    *("proc/driver/nvidia", "proc/driver/nvidia-caps", "proc/driver/nvidia-uvm", "proc/devices"),
    *("proc/modules", "proc/sys/vm/mmap_min_addr", "sys/module/nvidia", "sys/module/nvidia_uvm"),
    *("sys/bus/pci/devices", "sys/class/drm", "sys/devices", "usr/local/cuda", "usr/share/nvidia"),
)


def library_rules() -> dict[str, int]:
    """Python's library, installed packages, this package, the system's libraries, facts of the machine.

    Not the other entries of sys.path: the source tree of an editable installation holds more than code.
    """
    rules = dict.fromkeys(_SYSTEM, READ) | _DEVICES
    roots = {sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix}
    for root in roots:
        for name in ("lib", "lib64", "local/lib", "pyvenv.cfg"):
            rules[f"{root}/{name}"] = READ
    for entry in sys.path:
        if entry.rpartition("/")[2] in ("site-packages", "dist-packages"):
            rules[entry] = READ
    rules[str(Path(__file__).absolute().parents[1])] = READ
    return rules


def device_rules(visible: str | None, there: Path = Path("/")) -> dict[str, int]:
    """What the NVIDIA driver opens, as far as this machine has it; nothing where no GPU is to be seen.

    The driver itself keeps to CUDA_VISIBLE_DEVICES: its numbers need not be those of the nodes.

    Args:
        visible: CUDA_VISIBLE_DEVICES; None where it is not set.
        there: the root to look below.
    """
    if visible is not None and visible.strip() in ("", "-1", "none", "NoDevFiles"):
        return {}
    nodes = [node for node in there.glob("dev/nvidia*") if node.name.removeprefix("nvidia").isdigit()]
    if not nodes:
        return {}
    rules = dict.fromkeys(nodes, DEVICE)
    rules |= {there / path: DEVICE for path in _GPU_NODES}
    rules |= {there / path: READ for path in _GPU_FILES}
    return {str(path): access for path, access in rules.items() if path.exists()}


def program_rules(runs: Literal["nothing", "interpreter", "compiler"]) -> dict[str, int]:
    """What a profile may execute: programs, and the loader and libraries that the kernel opens with them."""
    if runs == "nothing":
        return {}
    places = ["/lib", "/lib64", "/usr/lib", "/usr/lib64", "/nix/store"]
    if runs == "interpreter":
        program = Path(sys.executable)
        places += [str(program.parent), str(program.resolve().parent)]
        return dict.fromkeys(places, EXECUTE)
    places += ["/bin", "/usr/bin", "/usr/local/bin", "/usr/libexec", "/usr/local/cuda"]
    return dict.fromkeys(places, EXECUTE) | {"/usr/include": READ, "/usr/local/include": READ}
