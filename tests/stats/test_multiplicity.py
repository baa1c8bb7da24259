from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.errors import BadInput
from assay.stats.multiplicity import bonferroni_level, holm

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=30)

# Benjamini & Hochberg 1995, section 4: 15 endpoints of a study of thrombolysis
THROMBOLYSIS = [
    0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344,
    0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0000,
]  # fmt: skip


def test_the_thrombolysis_example_rejects_as_in_the_paper():
    # the paper's Bonferroni rejects the first three as well, and Holm cannot reject fewer
    assert np.sum(holm(THROMBOLYSIS) <= 0.05) == 3


def test_holms_steps_by_hand():
    # m = 4: 4 x .005, 3 x .01, max(.03, 2 x .03), max(.06, .04)
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])


def test_the_order_of_the_p_values_does_not_matter():
    rng = np.random.default_rng(1)
    order = rng.permutation(len(THROMBOLYSIS))
    shuffled = np.array(THROMBOLYSIS)[order]
    np.testing.assert_allclose(holm(shuffled), holm(THROMBOLYSIS)[order])


@given(P_VALUES)
def test_adjusting_never_lowers_and_holm_lies_below_bonferroni(p):
    values = np.array(p)
    adjusted = holm(p)
    assert np.all(adjusted >= values)
    assert np.all(adjusted <= np.minimum(values * len(p), 1.0))
    assert np.all(np.diff(adjusted[np.argsort(values)]) >= 0)


def test_tests_that_could_not_be_made_are_not_counted():
    adjusted = holm([0.01, np.nan, 0.04])
    assert np.isnan(adjusted[1])
    np.testing.assert_allclose(adjusted[[0, 2]], holm([0.01, 0.04]))
    assert holm([]).shape == (0,)


def test_bonferroni_shares_the_error_out():
    assert bonferroni_level(0.95, 1) == pytest.approx(0.95)
    assert bonferroni_level(0.95, 66) == pytest.approx(1 - 0.05 / 66)


def test_impossible_requests_are_refused():
    for refused in (
        lambda: holm([0.1, 1.1]),
        lambda: holm([-0.1]),
        lambda: bonferroni_level(1.0, 3),
        lambda: bonferroni_level(0.95, 0),
    ):
        with pytest.raises(BadInput):
            refused()
