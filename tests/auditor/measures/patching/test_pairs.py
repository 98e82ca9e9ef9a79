"""Clean and corrupt inputs, spelled out."""

from __future__ import annotations

import torch

from auditor.language.grammar import is_member
from auditor.measures.patching.pairs import corrupted_pairs, no_pairs, type_margin
from auditor.testing.families import FAMILIES, task_for
from tests.handmade import LANGUAGE, PLAIN, TASK, inputs_for, inputs_from, naive_stacks, random_model, sentence


def test_the_bracket_on_top_at_most_decisions_is_flipped() -> None:
    """In ``[()([])]()`` the outer ``[`` is on top after positions 1, 3 and 7, ``(`` at 4 after two; the last pair after
    one. In ``()[]`` all are equal, and the first is taken. START alone makes no pair."""
    pairs = corrupted_pairs(inputs_from(TASK, ["[()([])]()", "()[]", ""]))
    assert len(pairs.clean) == 2
    assert pairs.corrupt.tokens[0].tolist() == sentence("(()([]))()")
    assert pairs.corrupt.tokens[1, :5].tolist() == sentence("[][]")
    assert pairs.clean.scored.nonzero().tolist() == [[0, 1], [0, 3], [0, 7], [1, 1]]
    assert torch.equal(pairs.clean.scored, pairs.corrupt.scored)


def test_an_opener_whose_match_is_not_read_is_flipped_alone() -> None:
    pairs = corrupted_pairs(inputs_from(TASK, ["(()"]))
    assert pairs.corrupt.tokens[0].tolist() == sentence("[()")
    assert pairs.clean.scored[0].tolist() == [False, True, False, True]


def test_corrupt_strings_are_words_that_differ_in_one_pair() -> None:
    inputs = inputs_for(random_model(), 40)
    pairs = corrupted_pairs(inputs)
    for clean, corrupt, read, length in zip(
        pairs.clean.tokens.tolist(),
        pairs.corrupt.tokens.tolist(),
        pairs.clean.scored.tolist(),
        pairs.clean.not_padding.sum(1).tolist(),
        strict=True,
    ):
        assert clean[length:] == corrupt[length:]
        assert sum(a != b for a, b in zip(clean, corrupt, strict=True)) in (1, 2)
        assert is_member(LANGUAGE, corrupt[:length]) == is_member(LANGUAGE, clean[:length])
        tops = [[stack[-1] if stack else None for stack in naive_stacks(row[:length])] for row in (clean, corrupt)]
        for position in range(length):
            ours, theirs = tops[0][position], tops[1][position]
            if read[position]:
                assert ours is not None
                assert theirs is not None
                assert ours[0] != theirs[0]
                assert ours[1] == theirs[1]


def test_the_margin_is_clean_minus_corrupt_bracket() -> None:
    """With three types the corrupt one is the next; after the last comes the first."""
    logits = torch.tensor([[1.0, 10.0, 100.0], [1.0, 10.0, 100.0]])
    assert type_margin(logits, torch.tensor([0, 2]), torch.arange(3)).tolist() == [-9.0, 99.0]


def test_models_without_pairs() -> None:
    name = "bidirectional classifier, RMS norm"
    assert no_pairs(random_model(FAMILIES[name], task_for(FAMILIES[name]))) == (
        "a classifier decides on no closing bracket"
    )
    assert no_pairs(random_model(PLAIN)) is None
