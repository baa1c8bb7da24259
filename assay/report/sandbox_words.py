"""How reports and pages name the layers of the child's sandbox, and what to say of them together."""

from __future__ import annotations

from collections.abc import Mapping

from assay.runner.sandbox import contains

__all__ = ["containment", "layer_title", "layers_of"]

_TITLES = {
    "private_protocol_descriptor": "private protocol channel",
    "minimal_environment": "minimal environment",
    "own_session": "session of its own",
    "resource_limits": "resource limits",
    "dies_with_parent": "dies with its parent",
    "no_new_privileges": "no new privileges",
    "no_capabilities": "capabilities given up",
    "namespaces": "network and IPC namespaces",
    "landlock": "Landlock (files)",
    "seccomp": "seccomp (system calls)",
}


def layer_title(name: str) -> str:
    """What a reader is told that the layer `name` is."""
    return _TITLES.get(name, name.replace("_", " "))


def layers_of(layers: Mapping[str, bool]) -> list[tuple[str, bool]]:
    """(title, active) of each layer, in the order of this file, whatever the record's."""
    known = [name for name in _TITLES if name in layers]
    return [(layer_title(n), bool(layers[n])) for n in (*known, *sorted(layers.keys() - _TITLES.keys()))]


def containment(layers: Mapping[str, bool]) -> str | None:
    """One sentence on what the layers mean together; None where none was recorded."""
    if not layers:
        return None
    if contains(layers):
        return (
            "Namespaces, Landlock and seccomp were all on: the model could reach nothing but its own files."
        )
    return (
        "Namespaces, Landlock and seccomp were not all on: the model was not fully contained, and only "
        "formats that hold no code (class A) were opened."
    )
