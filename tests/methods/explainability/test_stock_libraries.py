"""Known traps of shap 0.51, each shown to be there and shown to be avoided."""

from __future__ import annotations

import numpy as np
import pytest

from assay.methods.explainability.interventional import InterventionalShapley, background_of
from assay.models.base import Model
from assay.rng import keyed_rng
from tests.methods.explainability.made import network_folder
from tests.methods.explainability.peers import shap
from tests.models.made import model_subject, number

FEATURES = 12


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Model:
    folder = tmp_path_factory.mktemp("network")
    columns = [number(f"x{i}") for i in range(FEATURES)]
    path = network_folder(folder / "m", columns, ("no", "yes"), seed=1)
    rng = np.random.default_rng(0)
    data = {f"x{i}": rng.normal(size=20).tolist() for i in range(FEATURES)}
    data["label"] = ["no", "yes"] * 10
    return model_subject(folder, path, data, label="label").model


def score(model):
    return lambda rows: model.favourable_score(rows)[:, None]


def rows(count, seed):
    return np.random.default_rng(seed).normal(size=(count, FEATURES))


def explained(ask, background, row, *, exact=10**9, most=100_000, seed=0):
    known = background_of(background, ask)
    one = InterventionalShapley(ask, known, lambda d: keyed_rng(seed, "test", d), exact, most, 1e-9)
    return one.explain(row[None], ask(row[None]), np.zeros(1, dtype=int))


def exact(model, background, row):
    return explained(score(model), background, row).values[0]


def relative(found, truth):
    return float(np.linalg.norm(found - truth) / np.linalg.norm(truth))


def test_kernel_shaps_default_forces_features_to_zero_even_with_every_coalition(model):
    background, row = rows(5, 1), rows(1, 2)[0]
    truth = exact(model, background, row)
    every = 2**FEATURES
    default = shap.KernelExplainer(model.favourable_score, background).shap_values(row, nsamples=every)
    without = shap.KernelExplainer(model.favourable_score, background).shap_values(
        row, nsamples=every, l1_reg=False
    )
    assert (np.abs(default) < 1e-12).sum() >= 2
    assert relative(default, truth) > 0.01
    assert relative(without, truth) < 1e-4
    assert (np.abs(truth) > 1e-4).all()


def test_a_tabular_masker_keeps_100_background_rows_and_ours_all(model):
    background = rows(150, 3)
    assert len(shap.maskers.Independent(background).data) == 100
    assert len(background_of(background, score(model)).rows) == 150


def test_the_permutation_explainers_spread_is_no_standard_error_and_ours_is(model):
    background, row = rows(10, 4), rows(1, 5)[0]
    truth = exact(model, background, row)
    masker = shap.maskers.Independent(background, max_samples=10)
    claimed, errors = [], []
    for seed in range(6):
        explainer = shap.PermutationExplainer(model.favourable_score, masker, seed=seed)
        found = explainer(row[None], max_evals=20 * (2 * FEATURES + 1), error_bounds=True, silent=True)
        claimed.append(np.linalg.norm(found.error_std[0]))
        errors.append(np.linalg.norm(found.values[0] - truth))
    assert np.sqrt(np.mean(np.square(claimed))) > 2 * np.sqrt(np.mean(np.square(errors)))
    ours, missed = [], []
    for seed in range(30):
        found = explained(score(model), background, row, exact=0, most=2_000, seed=seed)
        ours.append(np.linalg.norm(found.errors))
        missed.append(np.linalg.norm(found.values - truth))
    ratio = np.sqrt(np.mean(np.square(ours)) / np.mean(np.square(missed)))
    assert 0.8 < ratio < 1.35


def test_the_permutation_explainer_walks_fewer_times_than_it_is_told(model):
    calls = []

    def counted(inputs):
        calls.append(len(inputs))
        return model.favourable_score(inputs)

    background = rows(1, 6)
    explainer = shap.PermutationExplainer(counted, shap.maskers.Independent(background), seed=0)
    explainer.shap_values(rows(1, 7), npermutations=10, silent=True)
    assert sum(calls) < 5 * (2 * FEATURES + 2)


def test_the_model_is_asked_in_pieces_that_fit_it(model):
    seen = []

    class Watched:
        def __call__(self, inputs):
            def ask(piece):
                seen.append(piece.stop - piece.start)
                return model._outputs(inputs[piece])

            return np.concatenate(model.in_batches(len(inputs), ask))[:, -1:]

    background, row = rows(20, 8), rows(1, 9)[0]
    explained(Watched(), background, row)
    assert sum(seen) > 20 * 4_000
    assert max(seen) <= model.batch_rows == 1024
    largest = []

    def counted(inputs):
        largest.append(len(inputs))
        return model.favourable_score(inputs)

    masker = shap.maskers.Independent(background, max_samples=20)
    shap.ExactExplainer(counted, masker)(row[None])
    assert max(largest) > 50 * model.batch_rows


def test_values_add_up_within_rounding_and_not_within_a_million(model):
    # a peer's own additivity test compares max(|gap| < 1e6) as a truth value and so cannot fail
    background, row = rows(20, 10), rows(1, 11)[0]
    found = exact(model, background, row)
    gap = found.sum() - (model.favourable_score(row[None])[0] - model.favourable_score(background).mean())
    assert abs(gap) < 1e-9
    peer = shap.ExactExplainer(model.favourable_score, shap.maskers.Independent(background))(row[None])
    np.testing.assert_allclose(found, peer.values[0], atol=1e-7)
