"""docs/models.md names every field of signature.json and every kind of answer."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from assay.contracts import ModelSignature, OutputKind

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "models.md").read_text("utf-8")


def test_every_field_and_every_kind_of_answer_is_in_the_table() -> None:
    table = PAGE.partition("| field | meaning |")[2].partition("\n\n")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", table, re.MULTILINE))
    assert set(rows) == set(ModelSignature.model_fields) - {"schema_id"}
    for kind in get_args(OutputKind):
        assert f"`{kind}`" in rows["output"], kind
