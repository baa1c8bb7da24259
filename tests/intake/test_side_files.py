"""Settings and templates that real models carry pass; what asks for more than a conversation does not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from assay.errors import BadInput
from assay.intake.side_files import check_side_files

CHATML = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] "
    "+ '<|im_end|>' + '\\n'}}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
LLAMA = (
    "{{- bos_token }}{%- if not date_string is defined %}{%- set date_string = strftime_now('%d %b %Y') %}"
    '{%- endif %}{{- "Cutting Knowledge Date: December 2023, from import of data\\n" }}'
    "{%- set ns = namespace(found=false) %}{{ tools | tojson(indent=4) }}{{ raise_exception('no') }}"
)


def _look(folder: Path, name: str, content: object) -> None:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    check_side_files("m", [(name, path)])


@pytest.mark.parametrize("template", [CHATML, LLAMA, "Name: ____ and __init__ are plain text here."])
def test_templates_of_real_models_pass(tmp_path: Path, template: str) -> None:
    _look(tmp_path, "chat_template.jinja", template)
    _look(tmp_path, "tokenizer_config.json", {"chat_template": template})
    _look(tmp_path, "tokenizer_config.json", {"chat_template": [{"name": "default", "template": template}]})


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("config.json", {"auto_map": {"AutoModel": "m.M"}}, r"names Python code of its own \(auto_map\)"),
        ("processor_config.json", {"a": [{"auto_map": {"A": "m.M"}}]}, "auto_map"),
        ("config.json", {"vision": {"num_blocks": 10**6}}, "claims 1,000,000 num_blocks"),
        ("config.json", {"num_labels": 10**9}, "num_labels"),
        ("chat_template.jinja", "{{ x['__class__'] }}", 'no conversation needs, "__class__"'),
        ("chat_template.jinja", "{%- import 'os' as os %}", "chat template"),
        ("chat_template.jinja", "x" * 300_000, "more than 262,144 characters"),
        ("tokenizer.json", [], "no JSON object"),
        ("tokenizer.json", {"normalizer": {"content": "x" * 5_000}}, "holds a text of 5,000 characters"),
    ],
)
def test_what_asks_for_more_is_refused(tmp_path: Path, name: str, content: object, says: str) -> None:
    with pytest.raises(BadInput, match=says) as refused:
        _look(tmp_path, name, content)
    assert refused.value.message.startswith(f"m/{name}")


def test_empty_requests_for_code_ask_for_nothing(tmp_path: Path) -> None:
    _look(tmp_path, "config.json", {"auto_map": {}, "trust_remote_code": False, "custom_pipelines": None})
