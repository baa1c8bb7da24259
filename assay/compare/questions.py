"""Whether two runs answer one question: only then a change from one to the other means anything."""

from __future__ import annotations

from assay.contracts import Profile
from assay.errors import BadInput

__all__ = ["another_question", "refuse_another_question"]


def another_question(before: Profile, after: Profile) -> str | None:
    """What two runs differ in that makes their answers incomparable, in words; None where nothing does."""
    first, second = before.signature, after.signature
    for what, a, b in (
        ("kind of data", before.modality, after.modality),
        ("task", first.task, second.task),
        ("classes", ", ".join(first.classes), ", ".join(second.classes)),
        ("favourable class", first.favourable, second.favourable),
        ("label", before.roles.label, after.roles.label),
    ):
        if a != b:
            return f"their {what} differ{'' if what == 'classes' else 's'} ({a or 'none'} and {b or 'none'})"
    return None


def refuse_another_question(before: Profile, after: Profile) -> None:
    """Raises BadInput where two runs cannot be compared."""
    if differs := another_question(before, after):
        raise BadInput(
            f"The runs answer different questions, so they cannot be compared: {differs}. "
            "Name a baseline that answers the same one, or none."
        )
