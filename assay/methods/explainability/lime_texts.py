"""LIME for texts: words left out at random, and a weighted linear surrogate of the model's score."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from assay.methods.explainability.lime_tables import FLAT, Surrogate

__all__ = ["IndexedText", "TextSurrogates"]

Floats = npt.NDArray[np.float64]
TextScore = Callable[[list[str]], Floats]


class IndexedText:
    """A text as its distinct words, each of which can be left out wherever it stands."""

    def __init__(self, text: str) -> None:
        from lime.lime_text import IndexedString

        self.text = text
        self._indexed = IndexedString(text, bow=True)

    @property
    def words(self) -> int:
        return int(self._indexed.num_words())

    def without(self, words: npt.NDArray[np.int64]) -> str:
        """The text without these of its distinct words."""
        return str(self._indexed.inverse_removing(words))


class TextSurrogates:
    """Surrogates through `lime.lime_text`; a word's weight is the change of the score for having it.

    Args:
        samples: neighbours of a text, the text itself among them.
    """

    def __init__(self, samples: int) -> None:
        from lime.lime_text import LimeTextExplainer

        self._samples = samples
        # The default, "auto", refits the surrogate once a word and step where there are up to 6 words.
        self._explainer = LimeTextExplainer(
            class_names=["score"], feature_selection="highest_weights", bow=True, random_state=0
        )

    def explain(self, text: IndexedText, score: TextScore, seed: int) -> Surrogate:
        """The surrogate of `score` (texts -> (rows,)) around a text of at least one word."""
        seen: list[Floats] = []

        def asked(neighbours: list[str]) -> Floats:
            seen.append(score(neighbours))
            return seen[-1][:, None]

        state = np.random.RandomState(seed)
        self._explainer.random_state = self._explainer.base.random_state = state
        found = self._explainer.explain_instance(
            text.text, asked, labels=(0,), num_features=text.words, num_samples=self._samples
        )
        weights = np.zeros(text.words)
        for word, weight in found.local_exp[0]:
            weights[word] = weight
        fidelity = float(found.score) if np.ptp(seen[0]) > FLAT else np.nan
        return Surrogate(weights, weights, fidelity)
