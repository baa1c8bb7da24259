"""What a reviewer says yes to, made from what the run measured and did not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from assay.errors import BadInput
from audits.models import Run

__all__ = ["Item", "checklist_of", "filled"]


class Item(NamedTuple):
    key: str
    text: str
    note: str = ""


def checklist_of(run: Run, snapshot: Mapping[str, Any]) -> list[Item]:
    """The questions for one run; `snapshot` is the parsed evidence.json."""
    untested = len(snapshot["not_tested"])
    failed = sum(v["outcome"] == "fail" for v in snapshot["verdicts"])
    undecided = sum(v["outcome"] == "insufficient" for v in snapshot["verdicts"])
    unmeasured = sum(v["outcome"] == "not_tested" for v in snapshot["verdicts"])
    items = [
        Item("purpose", "Purpose and affected people are described rightly"),
        Item("data", "The test data stand for the people concerned"),
    ]
    if run.policy_id:
        items.append(Item("limits", "The limits fit the use, and were fixed before the run"))
    else:
        items.append(Item("limits", "That nothing was judged is acceptable", "No policy was given."))
    if failed:
        items.append(Item("failed", "What failed is answered or acceptable", _counted(failed, "verdict")))
    if undecided:
        items.append(Item("undecided", "What is undecided is acceptable", _counted(undecided, "verdict")))
    if untested or unmeasured:
        counts = [_counted(n, word) for n, word in ((untested, "method"), (unmeasured, "rule")) if n]
        items.append(Item("untested", "What was not tested is acceptable", ", ".join(counts)))
    if snapshot.get("change"):
        items.append(Item("change", "Nothing that became worse matters"))
    items.append(Item("replies", "Management's replies to the findings are enough"))
    return items


def _counted(number: int, word: str) -> str:
    return f"{number} {word if number == 1 else f'{word}s'}"


def filled(items: Sequence[Item], given: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The checklist as it is stored: every question with its answer, whatever was left out.

    Raises:
        BadInput: an answer to a question that was not asked.
    """
    texts = {item.text for item in items}
    answers: dict[str, bool] = {}
    for entry in given:
        text = str(entry.get("text", ""))
        if text not in texts:
            raise BadInput(f'The checklist has no entry "{text[:80]}".')
        answers[text] = bool(entry.get("done"))
    return [{"text": item.text, "done": answers.get(item.text, False)} for item in items]
