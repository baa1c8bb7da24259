"""The chapter on explanations: bars with intervals, spreads, deletion curves, and what is not said twice."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from assay import contracts as c
from assay.report.charts import draw
from assay.report.document.book import Book
from assay.report.document.explainability import explainability_blocks, is_in_bars
from tests.models.made import linear_folder, model_subject, number, two_gaussians
from tests.report.sample import evidence
from tests.report.test_robustness import chapter

METHOD = "explainability.any"


def column(name, unit, *values):
    return c.SeriesColumn(name=name, unit=unit, values=values)


def attribution(low=(0.2, 0.01), high=(0.4, 0.03)):
    return c.Series(
        id=f"{METHOD}.attribution",
        title="Mean absolute attribution by feature",
        method=METHOD,
        columns=(
            column("feature", "feature", "age", "sex"),
            column("mean_absolute", "probability", 0.3, 0.02),
            column("low", "probability", *low),
            column("high", "probability", *high),
        ),
    )


def deletion():
    return c.Series(
        id=f"{METHOD}.deletion",
        title="Change",
        method=METHOD,
        columns=(
            column("removed", "share", 0.0, 0.5, 1.0),
            column("change", "probability", 0.0, 0.4, 0.5),
            column("change_low", "probability", 0.0, 0.3, 0.4),
            column("change_high", "probability", 0.0, 0.5, 0.6),
            column("random_change", "probability", 0.0, 0.2, 0.5),
        ),
    )


def spread():
    quantiles = ((-0.3, -0.01), (-0.1, 0.0), (0.0, 0.0), (0.2, 0.0), (0.4, 0.01))
    return c.Series(
        id=f"{METHOD}.spread",
        title="Quantiles",
        method=METHOD,
        columns=(
            column("feature", "feature", "age", "sex"),
            *(
                column(f"q{q:02d}", "probability", *values)
                for q, values in zip((5, 25, 50, 75, 95), quantiles, strict=True)
            ),
        ),
    )


def measure(name, value, **more):
    return c.Measure(
        id=f"{METHOD}.{name}",
        value=value,
        low=value / 2,
        high=value * 2,
        level=0.95,
        interval_method="student",
        n=100,
        unit="share",
        direction="none",
        status="measured",
        grade="executed",
        **more,
    )


def book(*series, measures=()):
    base = evidence()
    return Book(base.model_copy(update={"series": series, "measures": (*base.measures, *measures)}))


def figures(blocks):
    return [block for block in blocks if block["kind"] == "figure"]


def test_each_series_has_its_figure_and_its_data():
    bars, spreads, curve = figures(
        explainability_blocks(book(attribution(), deletion(), spread()), METHOD, ())
    )
    assert [cell["text"] for cell in bars["table"]["rows"][0]] == ["age", "0.300", "0.200 to 0.400"]
    assert "age 0.300; sex 0.020" in bars["alt"]
    assert [cell["text"] for cell in spreads["table"]["rows"][0]][1:] == [
        "−0.300",
        "−0.100",
        "0.000",
        "0.200",
        "0.400",
    ]
    assert "changes by 0.400 in the order of the attributions and by 0.200 in random order" in curve["alt"]
    assert curve["chart"]["lines"][1]["low"] is None
    for figure in (bars, spreads, curve):
        ElementTree.fromstring(draw(figure["chart"]))


def test_a_series_without_intervals_is_drawn_without_them():
    (bars,) = figures(explainability_blocks(book(attribution((None, None), (None, None))), METHOD, ()))
    assert bars["table"]["rows"][0][2]["text"] == "–"
    ElementTree.fromstring(draw(bars["chart"]))


def test_a_series_of_another_form_or_method_is_left_to_the_evidence():
    other = attribution().model_copy(update={"method": "explainability.other"})
    strange = c.Series(id=f"{METHOD}.deletion", title="", method=METHOD, columns=(column("x", "share", 1.0),))
    assert explainability_blocks(book(other, strange), METHOD, ()) == []


def test_the_answers_stand_before_the_figures():
    measures = [
        measure("largest_share", 0.3, note="age"),
        measure("sensitive_share", 0.2, at={"attribute": "sex"}),
        measure("deletion_gain", 0.1),
    ]
    said = [block["text"] for block in explainability_blocks(book(), METHOD, measures)]
    assert said == [
        "The strongest feature (age) carries 0.300 (0.150 to 0.600) of all attribution.",
        "Direct use of sensitive attributes: sex 0.200 (0.100 to 0.400).",
        "Replacing what it names first changes the output sooner than a random order does.",
    ]


@pytest.mark.parametrize(("feature", "expected"), [("age", True), ("height", False)])
def test_only_what_the_bars_show_is_left_out_of_the_table(feature, expected):
    one = measure("mean_absolute", 0.3, at={"feature": feature})
    assert is_in_bars(book(attribution(), measures=(one,)), one) is expected
    assert not is_in_bars(book(attribution()), measure("largest_share", 0.3))


def test_the_spread_shows_zero_and_keeps_the_order_of_the_quantiles():
    svg = draw(
        {
            "kind": "spreads",
            "rows": [{"label": "<a>", "quantiles": [1.0, 2.0, 2.0, 3.0, 4.0]}],
            "title": "t",
            "half": False,
        }
    )
    root = ElementTree.fromstring(svg)
    lines = [e for e in root.iter() if e.tag.endswith("line")]
    zero, thin = lines[-3], lines[-2]
    assert float(zero.get("x1")) < float(thin.get("x1")) < float(thin.get("x2"))
    box = next(e for e in root.iter() if e.tag.endswith("rect"))
    assert float(thin.get("x1")) < float(box.get("x"))
    assert float(box.get("x")) + float(box.get("width")) < float(thin.get("x2"))


@pytest.mark.parametrize(
    "method", ["explainability.shapley", "explainability.lime", "explainability.integrated_gradients"]
)
def test_the_feature_that_decides_leads_the_bars_and_its_removal_the_curve(
    tmp_path: Path, method: str
) -> None:
    model = linear_folder(tmp_path / "m", [number("x1", mean=1.0, scale=1.4), number("x2")], [3.0, 0.05])
    subject = model_subject(tmp_path, model, two_gaussians(200, 7), label="label")
    blocks = chapter(method, subject)
    charts = [figure["chart"] for figure in figures(blocks)]
    bars, deletion = charts[0], charts[-1]
    assert [row["label"] for row in bars["rows"]] == ["x1", "x2"]
    strongest = bars["rows"][0]
    assert strongest["low"] <= strongest["value"] <= strongest["high"]
    first, random = deletion["lines"]
    middle = len(first["y"]) // 2
    assert first["y"][middle] > random["y"][middle]
    assert first["y"][-1] == pytest.approx(random["y"][-1])
    for figure in figures(blocks):
        assert draw(figure["chart"]).startswith("<svg")
    texts = [block["text"] for block in blocks if block["kind"] == "text"]
    assert any("sooner than a random order" in said for said in texts)
