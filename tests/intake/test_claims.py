"""What model cards and MLmodel files say is read within limits, and kept as claims."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from assay.errors import BadInput
from assay.intake.bounded_yaml import MAX_YAML, read_yaml
from assay.intake.claims import card_claims, claims_of

# https://huggingface.co/docs/hub/model-cards and its model-index, shortened
CARD = """---
language:
- en
- no
license: apache-2.0
library_name: transformers
tags: [text-classification, finance]
datasets:
- financial_phrasebank
metrics:
- accuracy
base_model: google-bert/bert-base-uncased
pipeline_tag: text-classification
model-index:
- name: phrases
  results:
  - task: {type: text-classification, name: Text Classification}
    dataset: {type: financial_phrasebank, name: Financial PhraseBank}
    metrics:
    - type: accuracy
      value: 0.887
---
# Phrases

Some words.

## Uses

### Direct Use

To tell good news from bad.

```python
# Limitations of this code
```

## Bias, Risks, and Limitations

English only.

### Recommendations

Ask a person.
"""


def test_a_card_fills_the_fields() -> None:
    found = card_claims(CARD)
    assert found["title"] == "Phrases"
    assert found["languages"] == ("en", "no")
    assert found["licence"] == "apache-2.0"
    assert found["datasets"] == ("financial_phrasebank",)
    assert found["base_models"] == ("google-bert/bert-base-uncased",)
    assert found["tags"] == ("text-classification", "finance")
    assert found["task"] == "text-classification"
    assert found["intended_use"].startswith("To tell good news from bad.")
    assert found["limitations"] == "English only."
    (result,) = found["results"]
    assert (result.metric, result.value, result.dataset) == ("accuracy", "0.887", "Financial PhraseBank")


def test_a_card_without_front_matter_is_read_too() -> None:
    assert card_claims("# Only words\n\n## Limitations\n\nMany.\n") == {
        "title": "Only words",
        "limitations": "Many.",
    }
    assert card_claims("") == {}


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{below}'] * 9)}]\n"
    for below, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (BOMB, "anchors or aliases"),
        ("a: *x", "anchors or aliases"),
        ("a: !!python/object/apply:os.system [touch RAN]", "uses a YAML tag"),
        ("a: !x 1", "uses a YAML tag"),
        ("[" * 5_000, "nested deeper|not YAML"),
        ("{a: " * 5_000, "nested deeper|not YAML"),
        ("- x\n" * 60_000, "more than 20,000 values"),
        ("a: b: c", "is not YAML"),
        ("--- a\n--- b\n", "more than one YAML document"),
        ("a: 'x", "is not YAML"),
        ("x" * (MAX_YAML + 1), "at most 262,144"),
        ("a: \x07", "is not YAML"),
    ],
)
def test_hostile_yaml_is_refused_in_a_sentence_and_in_time(text: str, says: str) -> None:
    start = time.process_time()
    with pytest.raises(BadInput, match=says) as found:
        read_yaml(text.encode(), "card")
    assert "\n" not in found.value.message
    assert time.process_time() - start < 5
    with pytest.raises(BadInput, match="not UTF-8"):
        read_yaml(b"\xff\xfe", "card")


def test_scalars_are_what_yaml_1_2_means() -> None:
    text = (
        "{a: no, b: true, c: 1.50, d: 0x10, e: null, f: 2024-01-01, g: .inf, h: 1_0, i: 0777, j: "
        + "9" * 400
        + "}"
    )
    assert read_yaml(text.encode(), "x") == {
        **{"a": "no", "b": True, "c": 1.5, "d": "0x10", "e": None, "f": "2024-01-01"},
        **{"g": ".inf", "h": "1_0", "i": 777, "j": "9" * 400},
    }


def test_a_hostile_card_is_no_reason_to_refuse_and_is_told(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(f"---\n{BOMB}---\n# x\n")
    claims, trouble = claims_of(tmp_path)
    assert claims is None
    assert trouble == (
        "README.md was not read: the front matter of README.md uses YAML anchors or aliases (& and *); "
        "write the values out.",
    )
    (tmp_path / "README.md").write_text("---\nlicense: mit\n")
    assert "does not end" in claims_of(tmp_path)[1][0]
    (tmp_path / "README.md").write_bytes(b"\xff\xfe\x00")
    assert "not UTF-8" in claims_of(tmp_path)[1][0]


def test_card_text_stays_text_of_bounded_length(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>"
    rows = "".join(f"- t{n}{evil}\n" for n in range(300))
    (tmp_path / "README.md").write_text(
        f"---\nlicense: '{evil}\u202e'\ntags:\n{rows}---\n# {'x' * 400}\n## Limitations\n{'y ' * 30_000}\n"
    )
    claims, trouble = claims_of(tmp_path)
    assert trouble == ()
    assert claims is not None
    assert len(claims.tags) == 200
    assert len(claims.limitations) == 20_000
    assert "\u202e" not in claims.licence
    assert claims.sources == ("README.md",)


MLMODEL = """artifact_path: model
flavors:
  python_function:
    env: {conda: conda.yaml, virtualenv: python_env.yaml}
    loader_module: mlflow.xgboost
    python_version: 3.11.4
    data: model.ubj
  xgboost:
    code: null
    data: model.ubj
    model_class: xgboost.core.Booster
    model_format: ubj
    xgb_version: 2.0.3
metadata: {team: credit}
mlflow_version: 2.9.2
model_uuid: 4b1e7d0b8a6f4d6ca4e0f1c7d5b0a9f3
run_id: 8a1f6d7c2b3e4f5a
signature:
  inputs: '[{"type": "double", "name": "age", "required": true}, {"type": "string", "name": "job"}]'
  outputs: '[{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1]}}]'
  params: null
utc_time_created: '2024-01-05 10:11:12.123456'
"""


def test_an_mlmodel_file_fills_the_fields(tmp_path: Path) -> None:
    (tmp_path / "MLmodel").write_text(MLMODEL)
    (tmp_path / "README.md").write_text(CARD)
    claims, trouble = claims_of(tmp_path)
    assert trouble == ()
    assert claims is not None
    assert claims.sources == ("README.md", "MLmodel")
    assert claims.flavours == ("xgboost", "python_function")
    assert claims.run_id == "8a1f6d7c2b3e4f5a"
    assert claims.inputs == ("age: double", "job: string")
    assert claims.outputs == ("unnamed: float32 [-1]",)
    assert claims.metadata["team"] == "credit"
    assert claims.licence == "apache-2.0"
