"""Effects on logits that are written down."""

from __future__ import annotations

import math

import pytest
import torch

from auditor.measures.ablation.effects import EFFECTS, closing_margin
from auditor.testing.families import FAMILIES, task_for
from tests.handmade import PLAIN, TASK, random_model

CLOSING = torch.tensor([1, 2, 3])
LOGITS = torch.tensor([[0.0, 5.0, 1.0, 3.0], [0.0, 5.0, 1.0, 3.0]], dtype=torch.float64)
TOP = torch.tensor([0, 2])


def test_the_margin_is_the_right_bracket_minus_the_mean_of_the_others() -> None:
    """5 − (1 + 3)/2 and 3 − (5 + 1)/2."""
    assert closing_margin(LOGITS, TOP, CLOSING).tolist() == [3.0, 0.0]


def test_a_logit_difference_is_the_lead_that_is_lost() -> None:
    edited = LOGITS.clone()
    edited[:, 1] -= 2.0
    found = EFFECTS["logit_difference"].measure(LOGITS, edited[None], TOP, CLOSING)
    assert found.tolist() == [[2.0, -1.0]]


def test_closing_accuracy_counts_shares_above_four_fifths() -> None:
    """The first output has share e⁵/(e⁵ + e + e³) = 0.865, the second e³ of that: 0.117. A tie leaves neither right."""
    found = EFFECTS["closing_accuracy"].measure(LOGITS, torch.zeros(1, 2, 4, dtype=torch.float64), TOP, CLOSING)
    assert found.tolist() == [[1.0, 0.0]]


def test_kl_of_two_written_distributions() -> None:
    ours = torch.tensor([[0.75, 0.25]], dtype=torch.float64).log() + 3.0
    theirs = torch.tensor([[[0.5, 0.5]]], dtype=torch.float64).log()
    found = EFFECTS["kl"].measure(ours, theirs, torch.zeros(1, dtype=torch.int64), CLOSING)
    assert float(found) == pytest.approx(0.75 * math.log(1.5) + 0.25 * math.log(0.5))


def test_decisions_need_a_language_model_with_two_types() -> None:
    classifier = random_model(
        FAMILIES["bidirectional classifier, RMS norm"], task_for(FAMILIES["bidirectional classifier, RMS norm"])
    )
    assert EFFECTS["kl"].not_applicable(classifier) is None
    assert EFFECTS["logit_difference"].not_applicable(classifier) == "a classifier decides on no closing bracket"
    assert EFFECTS["logit_difference"].not_applicable(random_model(PLAIN, TASK)) is None
