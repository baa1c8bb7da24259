"""The chapter "Review and decision", and what the first page and every page's edge say of it."""

from __future__ import annotations

from collections.abc import Iterator

from assay.report import formatting as fmt
from assay.report.decision import OUTCOMES, Decision, Person, Reply, RunListed
from assay.report.document.book import Book, column
from assay.report.document.model import Block, Cell, Section, Standing, Tile, facts, heading, section, text

__all__ = ["review_section", "reviewer_tile", "signature", "stamp", "standing", "status", "watermark"]

_LOOKS = {"approved": "pass", "rejected": "fail", "changes": "warn"}
_PIECE = 560
"""Characters of one printed paragraph; longer ones would be shortened by the editions."""
_MOST_PIECES = 24
_RUN_WORDS = {
    "pass": "Passed",
    "warn": "Close to a limit",
    "fail": "A rule failed",
    "insufficient": "Undecided",
    "not_tested": "Not tested",
    "measured": "Measured only",
}


def line(words: str, limit: int = 120) -> str:
    """Text on one line, cut visibly."""
    flat = " ".join(words.split())
    return flat if len(flat) <= limit else flat[: limit - 1].rstrip() + "…"


def _day(instant: str | None) -> str:
    return (instant or "")[:10]


def _who(person: Person | None, limit: int = 120) -> str:
    if person is None:
        return "nobody"
    name = line(person.name, limit) or "somebody without a name"
    return f"{name} ({line(person.role, 40)})" if person.role else name


def _terms(decision: Decision) -> str:
    until = f" until {decision.valid_until}" if decision.valid_until else ""
    return until + (", with conditions" if decision.conditions.strip() else "")


def status(decision: Decision) -> str:
    """What holds, for the edge of every page."""
    name = line(decision.reviewer.name, 40) if decision.reviewer else "nobody"
    day = _day(decision.decided_at)
    if decision.outcome == "draft":
        return "Draft, not certified"
    if decision.outcome == "awaiting":
        return "Certified at submission, awaiting a reviewer"
    if decision.outcome == "approved":
        return f"Approved by {name} on {day}{_terms(decision)}"
    return f"{OUTCOMES[decision.outcome]} by {name} on {day}"


def stamp(decision: Decision) -> str:
    """The same in a word or two."""
    words = {"draft": "Draft, not certified", "awaiting": "Certified, awaiting a reviewer"}
    return words.get(decision.outcome, OUTCOMES[decision.outcome])


def watermark(decision: Decision) -> str:
    return "DRAFT · NOT CERTIFIED" if decision.outcome == "draft" else ""


def signature(decision: Decision) -> str:
    """Who signed, in a sentence for the foot of the first page."""
    if decision.outcome == "draft":
        return "This is a draft. The service has not certified it and no reviewer has signed it."
    if decision.outcome == "awaiting":
        return "The service certified this report at submission. No reviewer has decided yet."
    return (
        f"Decided by {_who(decision.reviewer)}; recorded and countersigned by the Assay service on their "
        "behalf."
    )


def standing(decision: Decision) -> Standing:
    """The box under the title."""
    look = _LOOKS.get(decision.outcome, "not_tested")
    if decision.outcome == "draft":
        detail = "For reading while the work goes on; nothing may rest on it."
    elif decision.outcome == "awaiting":
        detail = (
            f"Submitted by {_who(decision.requester, 60)} on {_day(decision.requested_at)}, review "
            f"{decision.review}."
        )
    elif decision.conditions.strip():
        detail = f"Conditions: {line(decision.conditions, 260)}"
    else:
        detail = f"Reason: {line(decision.reason, 260) or 'none was given'}"
    return {"outcome": look, "text": f"{status(decision)}.", "detail": detail}


def reviewer_tile(decision: Decision) -> Tile:
    """The tile beside those of the areas."""
    words = {
        "draft": ("Draft", "not certified"),
        "awaiting": ("Awaited", "certified at submission"),
        "approved": ("Approved", f"until {decision.valid_until}" if decision.valid_until else "no end date"),
        "rejected": ("Rejected", _day(decision.decided_at)),
        "changes": ("Changes asked", _day(decision.decided_at)),
    }
    word, detail = words[decision.outcome]
    if decision.outcome == "approved" and decision.conditions.strip():
        detail += ", conditions"
    return {
        "title": "Reviewer",
        "outcome": _LOOKS.get(decision.outcome, "not_tested"),
        "word": word,
        "detail": detail,
    }


def paragraphs(words: str) -> list[Block]:
    """Text as people typed it: a block for each of its lines, long ones in pieces, all of it printed."""
    pieces = list(_pieces(words))
    blocks = [text(piece) for piece in pieces[:_MOST_PIECES]]
    if len(pieces) > _MOST_PIECES:
        left = sum(len(piece) for piece in pieces[_MOST_PIECES:])
        blocks.append(text(f"{fmt.count(left)} more characters stand in the attached decision.json.", "note"))
    return blocks


def _pieces(words: str) -> Iterator[str]:
    for each in words.splitlines():
        rest = " ".join(each.split())
        while len(rest) > _PIECE:
            cut = rest.rfind(" ", _PIECE // 2, _PIECE)
            cut = cut if cut > 0 else _PIECE
            yield rest[:cut]
            rest = rest[cut:].lstrip()
        if rest:
            yield rest


def review_section(book: Book, decision: Decision) -> Section:
    """Who asked, who decided what and why, what was answered to findings, and every run of the version."""
    blocks: list[Block] = [text(_opening(decision), "lede"), facts(_facts(decision), mono=("Snapshot",))]
    for title, words in (
        ("Reason", decision.reason),
        ("Conditions", decision.conditions),
        ("What the requester wrote", decision.message),
    ):
        if words.strip():
            blocks += [heading(title, contents=False), *paragraphs(words)]
    if decision.checklist:
        rows: list[list[Cell | str]] = [
            [line(item.text, 400), "done" if item.done else "not done"] for item in decision.checklist
        ]
        blocks += [
            heading("Checklist", contents=False),
            book.table("The reviewer's checklist", [column("Question"), column("Answer", 0.25)], rows),
        ]
    blocks += _replies(decision)
    blocks += _runs(book, decision.runs)
    blocks += _check(decision)
    return section("review", "Review and decision", blocks)


def _opening(decision: Decision) -> str:
    if decision.outcome == "draft":
        return (
            "This is a draft. It was made for reading while the work goes on: the service has not certified "
            "it, nobody was asked to decide on it, and nothing may rest on it."
        )
    if decision.outcome == "awaiting":
        return (
            f"{_who(decision.requester)} submitted this audit for a decision. The service certified the "
            "report as it stood then. No reviewer has decided yet."
        )
    return f"{status(decision)}."


def _facts(decision: Decision) -> list[tuple[str, str]]:
    rows = [("Organisation", line(decision.organisation)), ("System", line(decision.system))]
    if decision.review is not None:
        rows.append(("Review", str(decision.review)))
    if decision.requester is not None:
        rows.append(("Asked by", f"{_who(decision.requester)}, {fmt.instant(decision.requested_at or '')}"))
    if decision.purpose:
        rows.append(("Asked for", line(decision.purpose)))
    if decision.decided:
        rows += [
            ("Decision", OUTCOMES[decision.outcome]),
            ("Decided by", f"{_who(decision.reviewer)}, {fmt.instant(decision.decided_at or '')}"),
        ]
    if decision.outcome == "approved":
        rows.append(("Valid until", decision.valid_until or "no end date was set"))
    rows.append(("Snapshot", decision.snapshot_digest))
    return rows


def _replies(decision: Decision) -> list[Block]:
    if not decision.replies:
        return []
    blocks: list[Block] = [heading("Management's replies to findings")]
    for reply in decision.replies:
        blocks += [
            heading(f"{reply.finding} {line(reply.title)}", contents=False),
            *paragraphs(reply.text),
            facts(_reply_facts(reply)),
        ]
    return blocks


def _reply_facts(reply: Reply) -> list[tuple[str, str]]:
    rows = [("Action", line(reply.action, 500))] if reply.action.strip() else []
    if reply.due:
        rows.append(("Due", reply.due))
    return [*rows, ("Replied by", f"{line(reply.by)}, {fmt.instant(reply.at)}")]


def _runs(book: Book, runs: tuple[RunListed, ...], most: int = 200) -> list[Block]:
    if not runs:
        return []
    rows: list[list[Cell | str]] = []
    for run in runs[:most]:
        name: Cell = {"text": f"Audit {run.number}"}
        if run.this:
            name["sub"] = "this report"
        result: Cell = {"text": _RUN_WORDS.get(run.outcome, "No result")}
        if run.reason.strip():
            result["sub"] = line(run.reason, 240)
        snapshot: Cell | str = fmt.short(run.snapshot_digest, 16) if run.snapshot_digest else "–"
        rows.append([name, fmt.instant(run.created_at), line(run.state, 40), result, snapshot])
    left = len(runs) - most
    columns = [
        column("Audit", 0.5),
        column("Begun", 0.8),
        column("State", 0.5),
        column("Result", 1.2),
        column("Snapshot", 0.7),
    ]
    note = "Failed and cancelled audits are listed as well as those that passed."
    note += f" {fmt.plural(left, 'further audit')} in decision.json." if left > 0 else ""
    return [
        heading("Every audit of this version"),
        book.table("Audits of the audited version", columns, rows, note),
    ]


def _check(decision: Decision) -> list[Block]:
    code = decision.check.code
    grouped = " ".join(code[place : place + 4] for place in range(0, len(code), 4))
    blocks: list[Block] = [
        heading("Checking this report", contents=False),
        text(
            "A report can be superseded or revoked after it left the service. The address below says whether "
            "this one still stands; anybody who holds the code may ask."
        ),
        facts(
            [
                ("Address", decision.check.url),
                ("Code", grouped),
                ("Trail", f"{decision.trail_head} ({fmt.plural(decision.trail_length, 'entry', 'entries')})"),
                ("Made", fmt.instant(decision.made_at)),
            ],
            mono=("Address", "Code", "Trail"),
        ),
    ]
    if decision.outcome == "draft":
        blocks.append(
            text("A draft carries no seal, so the command assay verify calls it not a report.", "note")
        )
    else:
        blocks.append(
            text(
                "The command assay verify checks the file itself, offline: the seal attests that the report "
                "left the service in this form"
                + (
                    ", and the countersignature that the service recorded the decision above. Both are made "
                    "with keys that the service holds: they attest the service, not a person."
                    if decision.decided
                    else ". Its key is the service's: it attests the service, not a person."
                ),
                "note",
            )
        )
    return blocks
