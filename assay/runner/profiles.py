"""What a child may do besides reading its request and writing its scratch folder: one row a profile."""

from __future__ import annotations

from typing import Literal, NamedTuple

__all__ = ["PROFILES", "Profile", "ProfileName"]

ProfileName = Literal["audit", "train_distributed", "compile"]

_SAFETENSORS = frozenset({"huggingface", "torch_folder"})
"""Formats whose weights are safetensors: loading them interprets a header, and nothing else."""


class Profile(NamedTuple):
    """One row of the table. Everything that is not named here is refused in every profile."""

    formats: frozenset[str] | None = None
    """Ids of the model formats that may come in; None for all."""
    loopback: bool = False
    """Sockets, in a network of its own that holds nothing but 127.0.0.1 and ::1."""
    processes: bool = False
    """Fork, and exec of what `runs` names; whatever is started inherits every layer."""
    runs: Literal["nothing", "interpreter", "compiler"] = "nothing"

    @property
    def needs_containment(self) -> bool:
        """Whether it may start only where namespaces, Landlock and seccomp are all on."""
        return self.loopback or self.processes


PROFILES: dict[ProfileName, Profile] = {
    "audit": Profile(),
    "train_distributed": Profile(_SAFETENSORS, loopback=True, processes=True, runs="interpreter"),
    "compile": Profile(_SAFETENSORS, processes=True, runs="compiler"),
}
"""`audit` serves every audit and remedy; the others are for training on several processes and for models
that a compiler makes faster."""
