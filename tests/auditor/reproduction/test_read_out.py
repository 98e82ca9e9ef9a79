"""Patching by position and head, where the answer is known."""

from __future__ import annotations

import pytest
import torch

from auditor.language.grammar import states
from auditor.reproduction.read_out import READ_AT, recovery, strings_of
from auditor.reproduction.references import references
from auditor.reproduction.steinberg2026 import verdict
from auditor.seeds import numpy_generator
from auditor.testing.models import random_model


def test_clean_and_corrupt_strings_differ_in_the_outer_type_alone() -> None:
    model = random_model()
    found = strings_of(model.task, 20, numpy_generator(0, "strings"))
    assert found.clean.shape == (20, READ_AT + 1)
    differs = found.clean != found.corrupt
    assert bool(differs[:, 1].all())
    assert int(differs.sum()) == 20
    for tokens, answer in ((found.clean, found.right), (found.corrupt, found.wrong)):
        after = states(model.task.language, tokens.numpy())
        assert (after.depth[:, -1] == 1).all()
        closing = model.task.language.vocabulary.closing
        assert [closing[top] for top in after.top[:, -1]] == answer.tolist()


def test_everything_is_at_the_opener_before_the_first_layer_and_at_the_answer_behind_it() -> None:
    """Into layer 0 the runs differ at position 1 alone, and nothing before the last layer reads the future."""
    model = random_model()
    found = recovery(model, strings_of(model.task, 30, numpy_generator(0, "strings")))
    assert found.positions[0][1] == pytest.approx(1.0)
    assert [found.positions[0][place] for place in range(READ_AT + 1) if place != 1] == pytest.approx([0.0] * READ_AT)
    assert set(found.heads) == {"L0H0", "L0H1", "L1H0", "L1H1"}
    assert found.read_out in {"L1H0", "L1H1"}
    assert found.copying.keys() == found.heads.keys()


def test_the_verdict_names_the_head_the_range_and_the_witness() -> None:
    model = random_model()
    strings = strings_of(model.task, 8, numpy_generator(0, "strings"))
    own = recovery(model, strings)
    flipped = model.clone()
    with torch.no_grad():
        for attention in flipped.attentions:
            attention.output[0].neg_()
    said = verdict("m", {"original": own, "twin/0": recovery(flipped, strings)})
    assert own.read_out in said
    assert "twin/0" in said
    assert "not a fact about the function" in said
    assert "no twin" in verdict("m", {"original": own})


@pytest.mark.parametrize("study", ["wen2023", "steinberg2026"])
def test_no_reference_is_called_as_published(study: str) -> None:
    for name, one in references(study).items():
        assert one.band[0] <= one.band[1], name
        assert one.source, name
        assert "published" not in one.source, name
