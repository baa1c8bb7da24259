"""How the proof of the remedies reads its figures off paired rows."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.remedy_loop import _kept


def test_a_student_that_answers_as_its_teacher_keeps_all_of_it_without_doubt() -> None:
    teacher = np.array([True, True, False, True])
    assert _kept(teacher, teacher) == (1.0, 1.0, 1.0)


def test_the_interval_of_what_is_kept_agrees_with_a_paired_bootstrap() -> None:
    rng = np.random.default_rng(3)
    teacher = rng.random(2_000) < 0.8
    student = np.where(rng.random(2_000) < 0.9, teacher, rng.random(2_000) < 0.5)
    ratio, low, high = _kept(teacher, student)
    assert ratio == student.mean() / teacher.mean()
    rows = rng.integers(0, 2_000, (4_000, 2_000))
    ratios = student[rows].mean(axis=1) / teacher[rows].mean(axis=1)
    assert (low, high) == pytest.approx(np.quantile(ratios, (0.025, 0.975)), abs=0.002)
