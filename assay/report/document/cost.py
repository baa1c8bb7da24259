"""The chapter on cost: first what an answer costs, then how latency grows with the batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from assay.contracts import Measure, Series
from assay.report import formatting as fmt
from assay.report.document.book import Book, column, id_column, number_column
from assay.report.document.model import Block, Cell, Figure, Table, heading

__all__ = ["cost_blocks"]


def cost_blocks(book: Book, measures: Sequence[Measure]) -> list[Block]:
    """The answer as a table, the percentiles of latency as a chart, and both by batch size."""
    blocks: list[Block] = []
    answers = list(_answers(measures))
    if answers:
        blocks += [heading("What does it cost?"), _first(book, answers)]
    for series in book.evidence.series:
        if series.id == "cost.latency_by_batch":
            values: dict[str, list[Any]] = {c.name: list(c.values) for c in series.columns}
            if {"batch", "calls", "p50", "p95", "maximum", "throughput"} <= values.keys() and values["batch"]:
                blocks += [heading("By batch size"), _by_batch(book, series, values, measures)]
                blocks += [_chart(book, series, values)]
    return blocks


def _answers(measures: Sequence[Measure]) -> Iterator[tuple[str, Measure]]:
    """Question and measure, for those that were measured."""
    batches = sorted({int(m.at["batch"]) for m in measures if "batch" in m.at})
    one = batches[0] if batches else 1
    rows = "one row" if one == 1 else f"{one:,} rows"

    def pick(name: str, **at: float) -> Measure | None:
        wanted = (m for m in measures if m.id == f"cost.{name}" and m.value is not None)
        return next((m for m in wanted if all(m.at.get(k) == v for k, v in at.items())), None)

    def best(name: str) -> Measure | None:
        found = [m for m in measures if m.id == f"cost.{name}" and m.value is not None]
        return max(found, key=lambda m: m.value or 0.0, default=None)

    fastest = best("throughput")
    at = "" if fastest is None else f", {fastest.at['batch']:,} at a time"
    asked = (
        (f"An answer to {rows}, half of the time within", pick("latency", batch=one, percentile=50)),
        (f"An answer to {rows}, 95 of 100 within", pick("latency", batch=one, percentile=95)),
        (f"An answer to {rows}, 99 of 100 within", pick("latency", batch=one, percentile=99)),
        (f"Rows in a second{at}", fastest),
        ("From nothing loaded to the first answer", pick("cold_start")),
        ("Memory of the process at its peak", best("peak_memory")),
        ("Memory reserved on the GPU at its peak", best("gpu_memory_reserved")),
        ("Size of the weights", pick("weight_size")),
        ("Arithmetic of one row", pick("flops_per_row")),
        ("Comparisons of one row", pick("comparisons_per_row")),
        (f"Price of 1,000 answers{at}", pick("price_per_1000")),
        (f"Energy of 1,000 answers{at}", pick("energy_per_1000")),
        (f"CO2e of 1,000 answers{at}", pick("carbon_per_1000")),
        ("Arithmetic of training it once", pick("training_flops")),
        ("Energy of training it once", pick("training_energy")),
    )
    yield from ((question, found) for question, found in asked if found is not None)


def _first(book: Book, answers: Sequence[tuple[str, Measure]]) -> Table:
    columns = [
        column("", 1.5),
        number_column("Answer"),
        number_column("Interval"),
        column("How it is known", 1.0),
        id_column(),
    ]
    rows: list[list[Cell | str]] = [
        [question, _with_unit(m), fmt.measured_interval(m), _known(m), book.short(m)]
        for question, m in answers
    ]
    note = (
        "Times, memory, energy and prices hold for this machine; parameters, FLOPs and sizes for the model."
    )
    return book.table("What does it cost?", columns, rows, note, [m for _, m in answers])


def _with_unit(measure: Measure) -> str:
    return f"{fmt.value(measure.value, measure.unit)} {measure.unit}"


def _known(measure: Measure) -> str:
    basis = measure.at.get("basis")
    if measure.id == "cost.training_flops":
        return "estimated from the lineage" if basis == "lineage" else "estimated, epochs assumed"
    if basis is not None:
        return "counted by the hardware" if basis == "measured" else "estimated from assumed power"
    if measure.id == "cost.price_per_1000":
        return "measured speed, assumed price"
    return "measured" if measure.volatile else "counted"


def _by_batch(book: Book, series: Series, values: dict[str, list[Any]], measures: Sequence[Measure]) -> Table:
    working = {m.at["batch"]: m for m in measures if m.id == "cost.working_memory"}
    columns = [
        number_column("Rows a call"),
        number_column("Calls"),
        number_column("p50, ms"),
        number_column("p95, ms"),
        number_column("p99, ms"),
        number_column("Slowest, ms"),
        number_column("Rows/s"),
        number_column("Working memory, MB"),
    ]
    rows: list[list[Cell | str]] = []
    for place, batch in enumerate(values["batch"]):
        memory = working.get(batch)
        cells: list[Cell | str] = [fmt.count(batch), fmt.count(values["calls"][place])]
        for name in ("p50", "p95", "p99"):
            cells.append(_percentile(values, name, place))
        cells.append(fmt.value(values["maximum"][place], "ms"))
        cells.append(fmt.value(values["throughput"][place], "rows/s"))
        cells.append("–" if memory is None else fmt.value(memory.value, "MB"))
        rows.append(cells)
    note = "A p99 that is missing needs more calls: 459 at least. Below a percentile stands its interval."
    return book.table("Latency, throughput and memory by batch size", columns, rows, note, [series])


def _percentile(values: dict[str, list[Any]], name: str, place: int) -> Cell:
    found = values.get(name, [None] * (place + 1))[place]
    if found is None:
        return {"text": "–"}
    low, high = (values.get(f"{name}_{end}", [None] * (place + 1))[place] for end in ("low", "high"))
    return {"text": fmt.value(found, "ms"), "sub": fmt.interval(low, high, "ms")}


def _chart(book: Book, series: Series, values: dict[str, list[Any]]) -> Figure:
    lines: list[dict[str, Any]] = []
    for name in ("p50", "p95", "p99"):
        shown = values.get(name, [])
        if any(value is not None for value in shown):
            low, high = values.get(f"{name}_low"), values.get(f"{name}_high")
            lines.append(
                {"name": name, "x": values["batch"], "y": shown, "low": low, "high": high, "points": True}
            )
    known = [v for line in lines for key in ("y", "low", "high") for v in line[key] or [] if v]
    batches: list[Any] = values["batch"]
    room = 1.15 if len(batches) > 1 else 2.0
    table: list[list[Cell | str]] = [
        [
            fmt.count(batch),
            *(fmt.value(values.get(name, batches)[place], "ms") for name in ("p50", "p95", "p99")),
        ]
        for place, batch in enumerate(batches)
    ]
    return book.figure(
        "Latency of a call over the rows in it, with intervals; both axes on log scales. A flat line means "
        "that more rows cost nothing.",
        "Percentiles 50, 95 and 99 of latency over batch size: "
        + "; ".join(f"{row[0]} rows {row[1]} ms at p50" for row in table[:8])
        + ".",
        {
            "kind": "curves",
            "lines": lines,
            "x_title": "rows a call",
            "y_title": "ms",
            "x": [min(batches) / room, max(batches) * room],
            "y": [min(known, default=0.1) / 1.3, max(known, default=1.0) * 1.3],
            "log": "xy",
            "x_marks": [[float(batch), fmt.count(batch)] for batch in batches],
            "diagonal": False,
            "rule": None,
        },
        [number_column(name) for name in ("Rows a call", "p50, ms", "p95, ms", "p99, ms")],
        table,
        [series],
    )
