"""Policy files: what is read, and how every slip is answered."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from assay.errors import BadPolicy
from assay.policy import check_policy, list_packs, load_policy
from assay.policy.loading import MAXIMUM_BYTES, parse_policy
from tests.policy.builders import METHODS, RATES, policy

HEAD = 'id = "own"\nversion = "1"\ntitle = "Own"\npurpose = "Tests."\n'
RULE = f'[[rule]]\nid = "ratio"\ntitle = "Ratio"\nmeasure = "{RATES}_ratio"\nminimum = 0.8\nsource = "us"\n'


def refusal(text: str | bytes) -> str:
    with pytest.raises(BadPolicy) as caught:
        check_policy(parse_policy(text if isinstance(text, bytes) else text.encode(), "own.toml"), METHODS)
    assert caught.value.exit_code == 2
    return caught.value.message


def test_a_file_gives_its_policy_and_its_very_bytes(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_bytes(b"\xef\xbb\xbf" + (HEAD + RULE).encode())
    loaded, data = load_policy(file, METHODS)
    assert loaded.rules[0].limits.minimum == 0.8
    assert data == file.read_bytes()


def test_all_keys_of_a_rule_are_read() -> None:
    text = HEAD + '[[source]]\ntext = "Us 2026"\nurl = "https://example.org"\n' + RULE
    text += 'target_minimum = 0.9\nover = ["sex", "race × sex"]\nslice = { sex = "F" }\nat = { eps = 0.1 }\n'
    text += 'severity = "low"\nrequired = false\nminimum_n = 30\ntolerance = 0.05\nwhy = "w"\naction = "a"\n'
    loaded = parse_policy(text.encode())
    rule = loaded.rules[0]
    assert loaded.sources[0].url == "https://example.org"
    assert rule.over == ("sex", "race × sex")
    assert (dict(rule.slice), dict(rule.at)) == ({"sex": "F"}, {"eps": 0.1})
    assert (rule.severity, rule.required, rule.minimum_n, rule.tolerance) == ("low", False, 30, 0.05)
    assert (rule.limits.target_minimum, rule.why, rule.action) == (0.9, "w", "a")


@pytest.mark.parametrize("name", ["health-triage", "health_triage", "Health-Triage", " hiring "])
def test_packs_are_found_in_either_spelling(name: str) -> None:
    by_id = {pack.id: pack for pack in list_packs()}
    loaded, data = load_policy(name, _pack_methods())
    assert by_id[loaded.id] == loaded
    assert len(hashlib.sha256(data).hexdigest()) == 64


def _pack_methods():  # type: ignore[no-untyped-def]
    from assay.registry import METHODS as REGISTERED

    return [method.spec for method in REGISTERED.all()]


def test_an_unknown_pack_names_those_that_are_near() -> None:
    with pytest.raises(
        BadPolicy, match=r'no policy pack or file "hirring". Close to it: "hiring". Packs: general'
    ):
        load_policy("hirring")


def test_a_folder_is_no_policy(tmp_path: Path) -> None:
    with pytest.raises(BadPolicy, match="cannot be read: Is a directory") as caught:
        load_policy(tmp_path)
    assert str(tmp_path.parent) not in caught.value.message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEAD + "rules = 3", 'own.toml has an unknown key "rules"; close to it: "rule"'),
        (HEAD, "own.toml has no rules"),
        (HEAD + "rule = []", "own.toml has no rules"),
        (HEAD + 'rule = "all"', "headed [[rule]]"),
        (HEAD + RULE + RULE, 'two rules with the id "ratio"'),
        (
            HEAD + RULE.replace("minimum", "minimun"),
            'rule "ratio" has an unknown key "minimun"; close to it: "minimum',
        ),
        (HEAD + RULE.replace('id = "ratio"', 'id = "Ratio!"'), "must start with a small letter"),
        (HEAD + RULE.replace('title = "Ratio"', ""), 'rule "ratio" lacks "title"'),
        (HEAD + RULE.replace('source = "us"', ""), 'lacks "source"'),
        (HEAD + RULE.replace("0.8", '"0.8"'), "minimum must be a number"),
        (HEAD + RULE.replace("0.8", "true"), "minimum must be a number"),
        (HEAD + RULE.replace("0.8", "nan"), "minimum must be a finite number"),
        (HEAD + RULE.replace("0.8", "-inf"), "minimum must be a finite number"),
        (HEAD + RULE + 'severity = "grave"', "severity must be one of low, medium, high, critical"),
        (HEAD + RULE + 'required = "yes"', "required must be true or false"),
        (HEAD + RULE + "minimum_n = -1", "minimum_n must be a whole number"),
        (HEAD + RULE + "tolerance = -0.1", "tolerance must be 0 or more"),
        (HEAD + RULE + "over = []", "over must be"),
        (HEAD + RULE + "over = [1]", "over must be"),
        (HEAD + RULE + "slice = { sex = 1 }", "slice must be a table of texts"),
        (HEAD.replace('version = "1"\n', "") + RULE, 'own.toml lacks "version"'),
        ("id = \n", "own.toml is not TOML"),
        ("x = " + "[" * 5000 + "]" * 5000, "own.toml is not TOML"),
        ("x = " + "9" * 5000, "own.toml is not TOML"),
        (HEAD.encode() + b"# caf\xe9\n", "own.toml, line 5, is not UTF-8"),
        (b"#" * (MAXIMUM_BYTES + 1), "larger than 1 MB"),
    ],
)
def test_a_malformed_policy_is_refused_with_place_and_remedy(text: str | bytes, said: str) -> None:
    assert said in refusal(text)


@pytest.mark.parametrize(
    ("measure", "limits", "said"),
    [
        (
            "fairness.selection_rate_ration",
            "minimum = 0.8",
            'no method measures "fairness.selection_rate_ration"',
        ),
        ("fairness.selection_rate_ration", "minimum = 0.8", '"fairness.selection_rate_ratio"'),
        ("fairness.selection_rate_range", "maximum = 0.1", "shown in reports and never judged. Judge"),
        ("fairness.selection_rate_ratio", "", "sets no limit"),
        ("fairness.selection_rate_ratio", "minimum = 1.25", "give a minimum in (0, 1]"),
        ("fairness.selection_rate_ratio", "minimum = 0", "give a minimum in (0, 1]"),
        ("fairness.selection_rate_ratio", "minimum = 0.8\nmaximum = 1.25", "and no maximum"),
        (
            "fairness.selection_rate_ratio",
            "minimum = 0.8\ntarget_minimum = 0.7",
            "must be a stricter companion",
        ),
        ("fairness.selection_rate_ratio", "minimum = 0.8\ntarget_minimum = 1.1", "must lie in (0, 1]"),
        ("fairness.selection_rate_difference", "minimum = 0.1", "give a maximum in [0, 1)"),
        ("fairness.selection_rate_difference", "maximum = -0.1", "give a maximum in [0, 1)"),
        ("fairness.selection_rate_difference", "maximum = 0.1\ntarget_maximum = 0.2", "stricter companion"),
        ("performance.accuracy", "maximum = 0.9", "better when higher"),
        ("performance.accuracy", "minimum = 1.2", "must be 0 to 1"),
        ("performance.accuracy", "minimum = 0", "could ever break this limit"),
        ("performance.accuracy", "minimum = 0.9\nmaximum = 0.8", "the minimum 0.9 is above the maximum 0.8"),
        ("performance.accuracy", "minimum = 0.7\ntarget_maximum = 0.9", "stricter companion of a maximum"),
        ("performance.brier_score", "minimum = 0.1", "better when lower"),
        ("performance.calibration_slope", "minimum = 0.8", "give both a minimum and a maximum"),
        ("data_quality.rows", "minimum = -5", "must be 0 or more"),
        ("data_quality.missing_share", "maximum = 1", "could ever break this limit"),
        (
            "performance.calibration_slope",
            "minimum = 0.8\nmaximum = 1.2\ntarget_minimum = 1.1\ntarget_maximum = 0.9",
            "nothing lies inside the target",
        ),
    ],
)
def test_a_limit_that_makes_no_sense_for_its_measure_is_refused(measure: str, limits: str, said: str) -> None:
    message = refusal(
        HEAD + f'[[rule]]\nid = "r"\ntitle = "R"\nsource = "us"\nmeasure = "{measure}"\n{limits}\n'
    )
    assert said in message
    assert 'own.toml, rule "r"' in message or message.startswith('own, rule "r"')


def test_judging_refuses_what_loading_would() -> None:
    from assay.policy import judge

    with pytest.raises(BadPolicy, match="no method measures"):
        judge(policy('measure = "fairness.nothing"\nminimum = 0.1'), [], METHODS)


def test_the_example_of_the_documentation_is_a_policy() -> None:
    page = (Path(__file__).parents[2] / "docs" / "policies.md").read_text("utf-8")
    example = page.split("```toml\n")[1].split("```")[0]
    check_policy(parse_policy(example.encode()), METHODS)
