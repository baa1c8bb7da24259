"""The evidence of earlier audits, kept by snapshot digest in this installation's store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from assay.errors import BadInput

if TYPE_CHECKING:
    from assay.contracts import Evidence
    from assay.store import Store

__all__ = ["find_evidence", "kept_evidence"]


def kept_evidence() -> Store:
    """The store of snapshots under the data folder ($ASSAY_HOME)."""
    from assay.report.authority import data_home
    from assay.store import Store

    return Store(data_home() / "evidence")


def find_evidence(named: str) -> Evidence:
    """Evidence named by its file, its folder, or the first digits of its snapshot digest.

    Raises:
        BadInput: there is no such file, folder or digest, or several digests begin so.
        NotAReport: the file is something else, or was changed.
    """
    from assay import evidence

    path = Path(named)
    if path.exists():
        return evidence.load(path)
    store = kept_evidence()
    found = store.find(named)
    if len(found) == 1:
        return evidence.from_snapshot(store.get(found[0]))
    if found:
        raise BadInput(f"{len(found)} kept snapshots begin with {named}; give more digits.")
    raise BadInput(
        f"{named} is no file, no folder and no kept snapshot. Give an evidence.json, the folder of an audit, "
        "or at least 6 digits of the snapshot that it printed."
    )
