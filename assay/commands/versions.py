"""`assay signature` and `assay diff`: model versions of a service, looked at, corrected and compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

from assay.commands.remote import service
from assay.errors import BadInput

__all__ = ["diff", "signature"]


def signature(version: str, file: Path | None, *, own: bool) -> int:
    """Print the signature of a version; with a file (or `own`), correct it and wait until it was read."""
    from assay.remote.push import read_version

    if file is not None and own:
        raise BadInput("Give --file to correct the signature, or --own to go back to the model's; not both.")
    key = _id(version)
    said = _document(file) if file is not None else None
    with service() as client:
        if said is None and not own:
            found = client.get(f"/model-versions/{key}")
            if found["signature"] is None:
                raise BadInput(f"{version} has no signature yet: it is {found['state']}. {found['refusal']}")
            print(json.dumps(found["signature"], indent=1, ensure_ascii=False))
            return 0
        made = client.put(f"/model-versions/{key}/signature", {"signature": said})
        read = read_version(client, f"/model-versions/{made['id']}", f"version {made['number']}")
    what = "read again with this signature" if made["id"] == str(key) else "a new version with this signature"
    print(f"model version   {read['id']}   {what}")
    return 0


def diff(before: str, after: str) -> int:
    """Print what differs between two versions; 0 whether or not something does."""
    with service() as client:
        found = client.get(f"/model-versions/{_id(before)}/diff/{_id(after)}")
    print(found["sentence"])
    if found["relation"]:
        print(found["relation"])
    for title, lines in (
        ("what they are", [_arrow(e["what"], e) for e in found["facts"] if not e["same"]]),
        ("signature", [_arrow(e["field"], e) for e in found["signature"]]),
        ("files", [_file(e) for e in found["files"] if e["state"] != "same"]),
    ):
        if lines:
            print(f"\n{title}")
            print("\n".join(f"  {line}" for line in lines))
    for each in found["runs"]:
        print(f"\n{each['title']}\n  {client.server}{each['url']}")
    return 0


def _arrow(what: str, line: dict[str, Any]) -> str:
    return f"{what}: {line['before']} → {line['after']}"


def _file(line: dict[str, Any]) -> str:
    was = f" (was {line['was']})" if line["was"] else ""
    cleaned = " (cleaned)" if line["origin"] == "cleaned" else ""
    return f"{line['state']:<8} {line['path']}{was}{cleaned}"


def _document(file: Path) -> dict[str, Any]:
    from assay.intake.model_files import read_signature

    return read_signature(file).model_dump(mode="json")


def _id(said: str) -> UUID:
    try:
        return UUID(said)
    except ValueError:
        raise BadInput(f'"{said}" is no id of a model version; `assay push` prints it.') from None
