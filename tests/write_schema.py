"""Writes docs/schema/evidence-1.json from the contracts: python -m tests.write_schema."""

from __future__ import annotations

import json

from assay.evidence import json_schema
from tests.test_evidence import SCHEMA

if __name__ == "__main__":
    SCHEMA.parent.mkdir(parents=True, exist_ok=True)
    SCHEMA.write_text(json.dumps(json_schema(), indent=1, ensure_ascii=False) + "\n")
