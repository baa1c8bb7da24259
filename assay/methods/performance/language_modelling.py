"""How well does a language model expect the texts of the data?

Each text is scored once, token by token; likelihoods, tokens and bytes are summed over texts, and every
measure is a ratio of two such sums, so that its interval follows by the delta method over texts.
User's page: docs/methods/performance.language_modelling.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Annotated, Any, Protocol, cast

import numpy as np
import numpy.typing as npt
from pydantic import Field

from assay.contracts import (
    Citation,
    Context,
    Estimate,
    Measure,
    MergeContext,
    MethodResult,
    MethodSpec,
    Params,
    Partial,
    Profile,
    ShardSpec,
    Status,
    SubjectProtocol,
    Tier,
)
from assay.methods.checked_arrays import check_arrays, floats, whole
from assay.methods.cluster_blocks import block_count, block_of
from assay.methods.measure_spec import measure_spec
from assay.methods.sharding import row_shards
from assay.models.base import Inputs
from assay.stats.ratio import Ratio, ratio_of_sums

__all__ = ["METHOD", "LanguageModelling"]

Floats = npt.NDArray[np.float64]

_SHARD_TEXTS = 2_000
_CALL_TEXTS = 256
_spec = partial(measure_spec, "performance")

SPECS = (
    _spec(
        "perplexity",
        "Perplexity",
        "tokens",
        "lower",
        "exp(- sum of log-likelihoods / tokens): as many equally likely tokens would surprise as much. Per "
        "token of the model's own vocabulary, so only models that share one can be compared by it.",
    ),
    _spec(
        "bits_per_byte",
        "Bits per byte",
        "bits",
        "lower",
        "- sum of log2-likelihoods / bytes of the texts in UTF-8: the length to which the model would "
        "compress them. Comparable between any two models.",
    ),
    _spec(
        "text_log_likelihood",
        "Log-likelihood of a text",
        "nats",
        "higher",
        "Mean over texts of the sum of the log-likelihoods of their tokens.",
        "shown",
    ),
    _spec(
        "log_likelihood",
        "Log-likelihood of all texts",
        "nats",
        "higher",
        "Sum of the log-likelihoods of all scored tokens, exactly as the network gives them.",
        "shown",
    ),
    _spec("scored_tokens", "Scored tokens", "count", "none", "Tokens whose likelihood was summed.", "shown"),
    _spec(
        "unknown_tokens",
        "Unknown tokens",
        "share",
        "lower",
        "Tokens that stand for what the vocabulary does not have / scored tokens: likelihoods say nothing of "
        "what these spell.",
        "shown",
    ),
)
_BY_ID = {spec.id: spec for spec in SPECS}


class LanguageModellingParams(Params):
    level: Annotated[float, Field(ge=0.5, le=0.9999)] = Field(0.95, description="Confidence level.")
    texts: Annotated[int, Field(ge=2, le=1_000_000)] = Field(
        10_000, description="Most texts that are scored; of more a sample is drawn at random."
    )

    @classmethod
    def tier_defaults(cls, tier: Tier) -> dict[str, Any]:
        return {"quick": {"texts": 500}, "standard": {}, "deep": {"texts": 1_000_000}}[tier]


class _Scores(Protocol):
    """What is needed of a language model: see `assay.models.likelihoods.Likelihoods`."""

    def likelihoods(self, texts: Inputs) -> tuple[Floats, Any, Any, Any]: ...


class LanguageModelling:
    """Perplexity and bits per byte with intervals over texts, and the sums that they are made of."""

    spec = MethodSpec(
        id="performance.language_modelling",
        version="1.0",
        title="Language modelling",
        pillar="performance",
        summary="How well the model expects the texts of the data, token by token: perplexity, bits per byte "
        "and the log-likelihoods behind them.",
        needs=("query", "tokens", "generation"),
        tasks=("generation",),
        modalities=("text",),
        measures=SPECS,
        deterministic=True,
        citations=(
            Citation(text="Jelinek, Mercer, Bahl & Baker 1977 (perplexity)"),
            Citation(
                text="Gao et al. 2020, The Pile, section 3.1 (bits per byte)",
                url="https://arxiv.org/abs/2101.00027",
            ),
            Citation(text="Cochran 1977, Sampling techniques, section 6.4 (ratio estimates)"),
            Citation(text="Liang & Zeger 1986 (clustered rows)"),
        ),
    )
    Params = LanguageModellingParams

    def estimate(self, profile: Profile, params: LanguageModellingParams) -> Estimate:
        return Estimate(evaluations=_texts(profile, params), seconds=0.1, memory_bytes=500_000_000)

    def plan(
        self, profile: Profile, params: LanguageModellingParams, stage: int, earlier: Sequence[Partial]
    ) -> Sequence[ShardSpec]:
        """Shards of the sample, not of the rows."""
        return row_shards(self.spec.id, _texts(profile, params), size=_SHARD_TEXTS) if stage == 0 else ()

    def run(
        self, shard: ShardSpec, subject: SubjectProtocol, params: LanguageModellingParams, context: Context
    ) -> Partial:
        """Sums of each text of the shard, (4, texts), and its block of clusters."""
        profile = subject.profile
        drawn = context.rng("rows").choice(profile.asked.rows, _texts(profile, params), replace=False)
        rows = np.sort(drawn)[shard.first_row : shard.stop_row].astype(np.int64)
        model = cast(_Scores, subject.model)
        found = []
        for first in range(0, len(rows), _CALL_TEXTS):
            part = model.likelihoods(subject.inputs(profile.asked_role, rows[first : first + _CALL_TEXTS]))
            found.append(np.stack([np.asarray(sums, dtype=np.float64) for sums in part]))
            context.progress(min(1.0, (first + _CALL_TEXTS) / len(rows)))
        arrays = {"sums": np.concatenate(found, axis=1), "blocks": _blocks(subject, rows)}
        return Partial(method=self.spec.id, stage=shard.stage, index=shard.index, arrays=arrays)

    def merge(
        self,
        partials: Sequence[Partial],
        profile: Profile,
        params: LanguageModellingParams,
        context: MergeContext,
    ) -> MethodResult:
        places = block_count(profile) or _SHARD_TEXTS
        wanted = {"sums": floats(4, "texts"), "blocks": whole("texts", top=places)}
        check_arrays(self.spec.id, partials, wanted, texts=_texts(profile, params))
        sums = np.concatenate([found.arrays["sums"] for found in partials], axis=1)
        blocks = np.concatenate([found.arrays["blocks"] for found in partials])
        clusters = block_count(profile)
        measures = tuple(_measures(sums, blocks, clusters, params.level, context, told=_told(profile)))
        return MethodResult(measures=measures, notes=tuple(_notes(sums, profile, clusters)))


def _texts(profile: Profile, params: LanguageModellingParams) -> int:
    return min(profile.asked.rows, params.texts)


def _told(profile: Profile) -> bool:
    """Whether the model tells which tokens are unknown to it."""
    return profile.model is None or profile.model.endpoint is None


def _blocks(subject: SubjectProtocol, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The block of clusters of each row; its place where there are no clusters."""
    profile, cluster = subject.profile, subject.profile.roles.cluster
    if cluster is None:
        return np.arange(len(rows), dtype=np.int64)
    table = subject.dataset(profile.asked_role)
    codes = [
        batch.codes(cluster)[rows[(rows >= batch.start) & (rows < batch.start + batch.rows)] - batch.start]
        for batch in table.batches([cluster], int(rows[0]), int(rows[-1]) + 1)
    ]
    return block_of(np.concatenate(codes), block_count(profile))


def _measures(
    sums: Floats,
    blocks: npt.NDArray[np.int64],
    clusters: int,
    level: float,
    context: MergeContext,
    *,
    told: bool,
) -> Iterator[Measure]:
    nats, tokens, size, _ = sums
    method = "delta method, clusters" if clusters else "delta method"
    scored, texts = int(tokens.sum()), len(tokens)
    make = partial(_measure, context, level)
    if not scored:
        for spec in SPECS:
            yield make(spec.id, None, 0, note="no text has a token that could be scored")
        return
    units, each = _units(sums, blocks, clusters)
    loss = ratio_of_sums(-units[0], units[1], level)
    ends = [None if end is None else math.exp(end) for end in loss]
    yield make("performance.perplexity", Ratio(*ends), scored, method)  # type: ignore[arg-type]  # the value is there
    per_byte = ratio_of_sums(-units[0] / math.log(2), units[2], level)
    yield make("performance.bits_per_byte", per_byte, int(size.sum()), method)
    yield make("performance.text_log_likelihood", ratio_of_sums(units[0], each, level), texts, method)
    yield make("performance.log_likelihood", Ratio(float(nats.sum()), None, None), scored, "exact")
    yield make("performance.scored_tokens", Ratio(float(scored), None, None), scored, "exact")
    if not told:
        note = "an endpoint does not tell which tokens are unknown to the vocabulary"
        yield make("performance.unknown_tokens", None, scored, note=note, status="not_applicable")
        return
    share = ratio_of_sums(units[3], units[1], level)
    low = None if share.low is None else max(0.0, share.low)
    yield make("performance.unknown_tokens", share._replace(low=low), scored, method)


def _units(sums: Floats, blocks: npt.NDArray[np.int64], clusters: int) -> tuple[Floats, Floats]:
    """Sums of each independent unit (texts, or blocks of clusters), (4, units), and texts in each."""
    if not clusters:
        return sums, np.ones(sums.shape[1])
    texts = np.bincount(blocks, minlength=clusters).astype(np.float64)
    added = np.stack([np.bincount(blocks, one, clusters) for one in sums]).astype(np.float64)
    return added[:, texts > 0], texts[texts > 0]


def _measure(
    context: MergeContext,
    level: float,
    name: str,
    found: Ratio | None,
    n: int,
    method: str | None = None,
    note: str | None = None,
    status: Status = "insufficient",
) -> Measure:
    """One measure; `status` where nothing was found."""
    spec = _BY_ID[name]
    bounded = found is not None and found.low is not None
    return Measure(
        id=name,
        value=None if found is None else found.value,
        low=found.low if found is not None else None,
        high=found.high if found is not None else None,
        level=level if bounded else None,
        interval_method=method if bounded or method == "exact" else None,
        n=n,
        unit=spec.unit,
        direction=spec.direction,
        status=status if found is None else "measured",
        grade=context.grade,
        note=note,
    )


def _notes(sums: Floats, profile: Profile, clusters: int) -> Iterator[str]:
    _, tokens, size, unknown = sums
    texts = len(tokens)
    window = profile.model_signature.text if profile.model_signature is not None else None
    long = ""
    if not _told(profile):
        long = " The endpoint read each text as a whole."
    elif window is not None:
        long = f" Windows have {window.max_length:,} tokens; each begins with the last one of that before."
    yield (
        f"{texts:,} of {profile.asked.rows:,} texts, {int(tokens.sum()):,} tokens and {int(size.sum()):,} "
        f"bytes were scored, every token once.{long}"
    )
    if empty := int((tokens == 0).sum()):
        yield f"{empty:,} text(s) are empty or too short to have a token to score; they add nothing."
    if unknown.sum():
        yield (
            f"{int(unknown.sum()):,} token(s) are unknown to the vocabulary: the model was told only that "
            "something stands there, so likelihoods flatter it."
        )
    if clusters:
        yield f'Texts of one "{profile.roles.cluster}" count as one draw: intervals allow for the clusters.'


METHOD = LanguageModelling()
