"""Canonical JSON, digests and the reading and writing of evidence.json.

Canonical means RFC 8785 (JCS): sorted keys, no white space, shortest numbers. A digest is the SHA-256
of the canonical bytes, in lower-case hex, so anybody can recompute it with any JCS implementation.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from assay.canonical import NotCanonical, canonical_json
from assay.contracts import Evidence, Measure, MethodSpec
from assay.errors import BadInput, Internal, NotAReport

__all__ = [
    "MAX_BYTES",
    "canonical",
    "digest",
    "dump",
    "from_snapshot",
    "json_schema",
    "load",
    "loads",
    "measure_key",
    "result_digest",
    "snapshot",
    "snapshot_digest",
]

MAX_BYTES = 256 * 1024 * 1024
"""A larger evidence file is refused unread."""


def canonical(value: Any) -> bytes:
    """RFC 8785 bytes of a JSON value or of a contract object."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json", by_alias=True)
    try:
        return canonical_json(value)
    except NotCanonical as error:
        raise Internal(f"A value cannot be written as canonical JSON: {error}.") from error


def digest(value: Any) -> str:
    """SHA-256 of `canonical(value)`, hex."""
    return hashlib.sha256(canonical(value)).hexdigest()


def measure_key(measure: Measure) -> str:
    """The identity of a measure: SHA-256 over its id, slice, over and at."""
    return _key(measure.id, tuple(measure.slice.items()), measure.over, tuple(measure.at.items()))


@lru_cache(maxsize=200_000)
def _key(
    measure: str,
    rows: tuple[tuple[str, str], ...],
    over: str | None,
    at: tuple[tuple[str, str | int | float], ...],
) -> str:
    # Kept, since planning, judging and reporting ask for the keys of the same measures again and again.
    return digest({"id": measure, "slice": dict(rows), "over": over, "at": dict(at)})


def result_digest(measures: Iterable[Measure], methods: Sequence[MethodSpec]) -> str:
    """Digest of the measures whose method declares itself deterministic; volatile ones are left out.

    Order does not count. The same plan on the same data in the same environment gives the same digest.
    """
    stable = {spec.id for method in methods if method.deterministic for spec in method.measures}
    rows = [m for m in measures if m.id in stable and not m.volatile]
    return digest([m.model_dump(mode="json") for m in sorted(rows, key=lambda m: (m.id, measure_key(m)))])


def snapshot(evidence: Mapping[str, Any] | Evidence) -> bytes:
    """The bytes that the snapshot digest is taken of: everything but the digest's own field."""
    body = (
        evidence.model_dump(mode="json", by_alias=True) if isinstance(evidence, Evidence) else dict(evidence)
    )
    body.pop("snapshot_digest", None)
    return canonical(body)


def snapshot_digest(evidence: Mapping[str, Any] | Evidence) -> str:
    """SHA-256 of `snapshot(evidence)`, hex."""
    return hashlib.sha256(snapshot(evidence)).hexdigest()


def from_snapshot(content: bytes) -> Evidence:
    """The evidence whose `snapshot` is `content`; see `loads` for what is checked."""
    try:
        body = json.loads(content)
        body["snapshot_digest"] = hashlib.sha256(content).hexdigest()
    except (ValueError, TypeError, RecursionError) as error:
        raise NotAReport("What is stored under that digest is no evidence of Assay.") from error
    return loads(json.dumps(body).encode(), "the stored evidence")


def dump(evidence: Evidence) -> bytes:
    """The bytes of evidence.json: the canonical form itself."""
    return canonical(evidence) + b"\n"


def loads(data: bytes, name: str = "evidence.json") -> Evidence:
    """Parse and check evidence bytes: schema, and both digests recomputed.

    Raises:
        NotAReport: not JSON, not this schema, or a digest that does not match the content.
    """
    if len(data) > MAX_BYTES:
        raise NotAReport(f"{name} is larger than {MAX_BYTES // 2**20} MB; evidence never is.")
    try:
        body = json.loads(data)
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise NotAReport(f"{name} is not JSON, so it is no evidence of Assay.") from error
    if not isinstance(body, dict) or body.get("schema") != "assay.evidence/1":
        raise NotAReport(
            f'{name} does not say "schema": "assay.evidence/1"; give the evidence.json of an audit.'
        )
    try:
        evidence = Evidence.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise NotAReport(f"{name} breaks the evidence schema at {where}: {first['msg']}.") from error
    if snapshot_digest(body) != evidence.snapshot_digest:
        raise NotAReport(f"{name} was changed after it was written: its snapshot digest does not match.")
    if result_digest(evidence.measures, evidence.methods) != evidence.result_digest:
        raise NotAReport(f"{name} is inconsistent: its result digest does not match its measures.")
    return evidence


def load(path: Path) -> Evidence:
    """Read an evidence.json; see `loads` for what is checked."""
    try:
        if path.is_dir():
            path = path / "evidence.json"
        data = path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror or error}.") from error
    return loads(data, path.name)


def json_schema() -> dict[str, Any]:
    """The published JSON Schema of evidence.json (docs/schema/evidence-1.json)."""
    schema = Evidence.model_json_schema(by_alias=True, mode="serialization")
    schema["$id"] = "assay.evidence/1"
    return schema
