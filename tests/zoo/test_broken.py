"""Every broken sibling is broken as its description says, and its sound sibling is not."""

from __future__ import annotations

import numpy as np
import pytest

from assay.execution import run_method
from assay.models.torch_model import TorchModel
from assay.registry import METHODS
from benchmarks import zoo
from tests.zoo.answers import answers, group_codes
from tests.zoo.conftest import SubjectOf

BROKEN = {name: made for name, made in zoo.MODELS.items() if made.broken is not None}


def test_every_broken_model_names_a_sound_sibling() -> None:
    assert BROKEN
    for made in BROKEN.values():
        assert made.broken is not None
        assert zoo.MODELS[made.broken.sound].broken is None


def test_the_overfitted_model_knows_its_training_rows_by_heart(subject_of: SubjectOf) -> None:
    gaps = {}
    for name in ("adult_mlp_overfitted", "adult_mlp"):
        subject = subject_of(name)
        training, test = answers(subject, "training"), answers(subject)
        gaps[name] = training.accuracy - test.accuracy
        if name == "adult_mlp_overfitted":
            own = training.scores[np.arange(len(training.labels)), training.labels]
            assert training.accuracy > 0.97
            assert -np.log(own).mean() < 0.1
    assert gaps["adult_mlp_overfitted"] > 0.2
    assert abs(gaps["adult_mlp"]) < 0.02


def _gaps(subject_of: SubjectOf, name: str) -> tuple[float, float]:
    """Men minus women: true positive rate, selection rate."""
    subject = subject_of(name)
    found = answers(subject)
    codes, groups = group_codes(subject, "sex")
    men, women = (codes == groups.index(group) for group in ("Male", "Female"))
    high = found.labels == 1
    opportunity = found.decided[men & high].mean() - found.decided[women & high].mean()
    return float(opportunity), float(found.decided[men].mean() - found.decided[women].mean())


def test_the_biased_model_overlooks_women(subject_of: SubjectOf) -> None:
    opportunity, parity = _gaps(subject_of, "adult_mlp_biased")
    sound_opportunity, sound_parity = _gaps(subject_of, "adult_mlp")
    assert opportunity > 0.35 > 0.15 > sound_opportunity
    assert parity > sound_parity + 0.04


@pytest.mark.parametrize(("name", "reads_sex"), [("adult_mlp", False), ("adult_mlp_biased", True)])
def test_who_reads_sex(name: str, reads_sex: bool, subject_of: SubjectOf) -> None:
    signature = subject_of(name).profile.model_signature
    assert signature is not None
    names = {column.name for column in signature.columns}
    assert ("sex" in names) == reads_sex
    assert not names & {"race", "fnlwgt"}


def test_the_contaminated_siblings_leak_is_found_and_the_sound_one_is_clean(subject_of: SubjectOf) -> None:
    method = METHODS.get("data_quality.basics")
    shares = {}
    for name in ("adult_mlp_contaminated", "adult_mlp"):
        result = run_method(method, subject_of(name))
        shares[name] = next(m for m in result.measures if m.id == "data_quality.leaked_share")
    broken, sound = shares["adult_mlp_contaminated"], shares["adult_mlp"]
    assert broken.low is not None
    assert sound.high is not None
    assert broken.low > 0.19
    assert sound.high < 0.01


def test_the_column_that_tells_the_label_is_found(subject_of: SubjectOf) -> None:
    from benchmarks.zoo.adult_data import TELLING

    method = METHODS.get("data_quality.basics")
    named = {}
    for name in ("adult_mlp_leaking", "adult_mlp"):
        series = {one.id: one for one in run_method(method, subject_of(name)).series}
        found = series.get("data_quality.suspicious_features")
        named[name] = [] if found is None else list(found.columns[0].values)
    assert named == {"adult_mlp_leaking": [TELLING], "adult_mlp": []}


def test_the_masking_model_decides_as_its_sibling_and_shows_no_gradient(subject_of: SubjectOf) -> None:
    import torch

    shares, decided = {}, {}
    for name in ("digits_cnn_masking", "digits_cnn"):
        subject = subject_of(name)
        decided[name] = answers(subject).decided
        model = subject.model
        assert isinstance(model, TorchModel)
        encoded = model.encode(subject.inputs("test", np.arange(200))).requires_grad_(True)
        labels = torch.from_numpy(subject.labels("test", np.arange(200)))
        loss = torch.nn.functional.cross_entropy(model.logits(encoded), labels, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, encoded)
        shares[name] = float((gradient.flatten(1).abs().amax(dim=1) == 0).double().mean())
    np.testing.assert_array_equal(decided["digits_cnn_masking"], decided["digits_cnn"])
    assert shares["digits_cnn_masking"] > 0.9
    assert shares["digits_cnn"] == 0


def test_the_slow_model_answers_as_its_sibling_with_a_hundred_times_the_weights(
    subject_of: SubjectOf,
) -> None:
    slow, sound = subject_of("adult_mlp_slow"), subject_of("adult_mlp")
    np.testing.assert_allclose(answers(slow).scores, answers(sound).scores, atol=1e-5)
    assert slow.model.facts.parameters > 100 * sound.model.facts.parameters
