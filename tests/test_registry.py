"""The registry: lazy, checked, closed; and what importing the engine costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from assay.contracts import AuditMethod
from assay.errors import BadInput, Internal
from assay.planning import make_params
from assay.registry import METHODS, REMEDIES, Registry


def registry(**builtins: str) -> Registry[AuditMethod]:
    return Registry("method", AuditMethod, "assay.no_such_group", builtins)


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(BadInput, match=r'"fairness.group_rates"'):
        METHODS.get("fairness.grouprates")


def test_two_plug_ins_of_one_name_are_an_error() -> None:
    built = registry(a="m:A")
    with pytest.raises(Internal, match="Two methods"):
        built.add("a", "n:B")


def test_nothing_is_added_after_the_start() -> None:
    built = registry(a="m:A")
    built.freeze()
    with pytest.raises(Internal, match="closed"):
        built.add("b", "m:B")


def test_something_that_is_no_method_is_refused() -> None:
    with pytest.raises(Internal, match="is not a method"):
        registry(a="json:loads").get("a")


def test_a_method_must_carry_the_name_it_is_registered_under() -> None:
    target = "assay.methods.fairness.group_rates:METHOD"
    with pytest.raises(Internal, match="calls itself"):
        registry(a=target).get("a")


@pytest.mark.parametrize("name", list(METHODS))
def test_every_builtin_loads_and_has_a_page(name: str) -> None:
    method = METHODS.get(name)
    assert method.spec.pillar == name.partition(".")[0]
    make_params(method, {})
    page = Path(__file__).parents[1] / "docs" / "methods" / f"{name}.md"
    assert page.exists(), f"{page.name} is missing"


@pytest.mark.parametrize("name", list(METHODS))
def test_unknown_parameters_are_refused_by_name(name: str) -> None:
    from assay.errors import BadParams

    with pytest.raises(BadParams, match="no_such_parameter"):
        make_params(METHODS.get(name), {"no_such_parameter": 1})


@pytest.mark.parametrize("name", list(REMEDIES))
def test_every_remedy_loads_and_has_a_page(name: str) -> None:
    remedy = REMEDIES.get(name)
    make_params(remedy, {})
    page = Path(__file__).parents[1] / "docs" / "remedies" / f"{name}.md"
    assert page.exists(), f"{page.name} is missing"
    for parameter in remedy.Params.model_fields:
        assert f"`{parameter}`" in page.read_text() + page.parents[1].joinpath("remedies.md").read_text()


def test_every_measure_id_belongs_to_one_method() -> None:
    ids = [spec.id for method in METHODS.all() for spec in method.spec.measures]
    assert len(ids) == len(set(ids))


def test_no_method_imports_a_heavy_library() -> None:
    code = (
        "import sys\n"
        "from assay.registry import METHODS, REMEDIES\n"
        "METHODS.all()\n"
        "REMEDIES.all()\n"
        "print([m for m in ('torch', 'pandas', 'sklearn', 'scipy.stats', 'pyhanko') "
        "if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
