"""What cost.inference measures, in words."""

from __future__ import annotations

from assay.contracts import Citation, Direction, MeasureSpec

__all__ = ["CITATIONS", "SPECS"]


def _spec(name: str, title: str, unit: str, description: str, direction: Direction = "lower") -> MeasureSpec:
    return MeasureSpec(
        id=f"cost.{name}",
        title=title,
        unit=unit,
        direction=direction,
        judging="single",
        description=description,
    )


SPECS: tuple[MeasureSpec, ...] = (
    _spec(
        "latency",
        "Latency",
        "ms",
        "Percentile of the time of one call with that many rows: encoding, transfer, network, softmax and "
        "the answer as numbers; no file is read and nothing travels over a network.",
    ),
    _spec("latency_maximum", "Latency, slowest call", "ms", "The slowest of the timed calls."),
    _spec(
        "throughput",
        "Throughput",
        "rows/s",
        "Rows of a call / mean time of a call, one call after the other.",
        "higher",
    ),
    _spec(
        "token_latency",
        "Latency of a token",
        "ms",
        "Median over continuations of time / tokens, one text at a time, greedily; reading the prompt is "
        "in it. For language models.",
    ),
    _spec(
        "token_throughput",
        "Tokens a second",
        "tokens/s",
        "Generated tokens / time, one text at a time. For language models.",
        "higher",
    ),
    _spec(
        "cold_start",
        "Cold start",
        "s",
        "Time to read, check and build the model once more and to answer one row; libraries are imported "
        "already and the files probably cached by the system.",
    ),
    _spec(
        "peak_memory",
        "Peak memory of the process",
        "MB",
        "Highest resident memory of the process that answers, with its libraries, the model and the data.",
    ),
    _spec(
        "working_memory",
        "Working memory",
        "MB",
        "Highest resident memory during a call - resident memory before it.",
    ),
    _spec(
        "gpu_memory_allocated",
        "GPU memory of tensors",
        "MB",
        "Highest memory of tensors on the GPU during a call, weights included.",
    ),
    _spec(
        "gpu_memory_reserved",
        "GPU memory reserved",
        "MB",
        "Highest memory that torch kept of the GPU during a call.",
    ),
    _spec(
        "yardstick",
        "Time of a fixed computation",
        "ms",
        "Half a millisecond of the same arithmetic in every audit, timed between the calls of the model: "
        "what differs between two audits is the machine.",
        "none",
    ),
    _spec("parameters", "Parameters", "count", "Weights of a network, leaves of a tree ensemble."),
    _spec("weight_size", "Size of the weights", "MB", "Bytes of parameters and buffers / 1,000,000."),
    _spec(
        "flops_per_row",
        "Arithmetic of one row",
        "FLOP",
        "Floating point operations of matrix products, convolutions, attention and recurrent layers for one "
        "row, a multiply-add counted as 2.",
    ),
    _spec(
        "comparisons_per_row",
        "Comparisons of one row",
        "comparisons",
        "Mean over rows of the depth of the leaf that a row reaches, summed over the trees.",
    ),
    _spec(
        "energy_per_1000",
        "Energy of 1,000 answers",
        "Wh",
        "Watt-hours of 1,000 rows in calls of that many rows, idle power not included where it was measured.",
    ),
    _spec(
        "carbon_per_1000",
        "CO2e of 1,000 answers",
        "g CO2e",
        "kWh x power usage effectiveness x grams of CO2e a kWh.",
    ),
    _spec(
        "price_per_1000",
        "Price of 1,000 answers",
        "USD",
        "1000 x hourly price / (3600 x throughput): a machine that is busy all the time.",
    ),
    _spec(
        "training_flops",
        "Arithmetic of training",
        "FLOP",
        "3 x FLOPs of a row x training rows x epochs: one pass forward and two backward. For dense networks "
        "this is the rule 6 N D.",
    ),
    _spec(
        "training_energy",
        "Energy of training",
        "kWh",
        "3 x energy of an answer x training rows x epochs, as if training ran as efficiently as answering.",
    ),
)

CITATIONS: tuple[Citation, ...] = (
    Citation(
        text="David & Nagaraja 2003, Order Statistics, 3rd edition, section 7.1 (intervals of percentiles)"
    ),
    Citation(
        text="Woodruff 1952, JASA 47; Korn & Graubard 1998, Survey Methodology 24(2) (percentiles and "
        "proportions of clustered samples)"
    ),
    Citation(
        text="Reddi et al. 2020, MLPerf Inference Benchmark, ISCA (percentiles of latency, throughput)",
        url="https://arxiv.org/abs/1911.02549",
    ),
    Citation(
        text="Kaplan et al. 2020, Scaling Laws for Neural Language Models, section 2.1 (6 N D)",
        url="https://arxiv.org/abs/2001.08361",
    ),
    Citation(
        text="Lannelongue, Grealey & Inouye 2021, Green Algorithms, Advanced Science 8(12) (power of a core "
        "and of a gigabyte)",
        url="https://doi.org/10.1002/advs.202100707",
    ),
    Citation(
        text="Lacoste, Luccioni, Schmidt & Dandres 2019, Quantifying the Carbon Emissions of ML",
        url="https://arxiv.org/abs/1910.09700",
    ),
)
