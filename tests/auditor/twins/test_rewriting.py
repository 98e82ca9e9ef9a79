"""Rewritten inputs: the same decisions, row for row, by a separate stack."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from auditor.behaviour.input_batch import InputBatch, Rewritten
from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Request, equivalences
from auditor.language.task import Task
from auditor.seeds import numpy_generator
from auditor.testing.families import FAMILIES
from auditor.twins.rewriting import SAME_ANSWER, Proposal, Row, length_bounds, rewrite
from tests.handmade import PLAIN, TASK, inputs_for, inputs_from, naive_stacks, random_model

MOVES = ("input_pumping", "input_pair_removal")
CLOSING = replace(TASK, objective="closing_bracket")
ROOMY = replace(TASK, max_length=40)
"""Long enough that most strings end far from the maximum length."""


def _rewritten(name: str, model: CanonicalTransformer, inputs: InputBatch, seed: int = 0) -> Rewritten:
    return equivalences()[name].rewrite(Request(model, inputs, numpy_generator(seed, "rewrite")))


def _decisions(inputs: InputBatch, row: int) -> list[tuple[int, ...]]:
    """The stack of types before each scored output, by push and pop."""
    length = int(inputs.not_padding[row].sum())
    stacks = naive_stacks(inputs.tokens[row, :length].tolist())
    return [
        tuple(kind for kind, _ in stack) for stack, judged in zip(stacks, inputs.scored[row], strict=False) if judged
    ]


@pytest.mark.parametrize("name", MOVES)
@pytest.mark.parametrize("task", [ROOMY, CLOSING, replace(CLOSING, prefixes=True, min_length=10)])
def test_the_nth_decision_of_a_row_has_the_same_stack_before_and_after(name: str, task: Task) -> None:
    model = random_model(PLAIN, task)
    inputs = inputs_for(model, 60)
    found = _rewritten(name, model, inputs)
    assert torch.equal(found.before.tokens, inputs.tokens)
    assert not (found.before.scored & ~inputs.scored).any()
    changed = 0
    for row in range(len(inputs)):
        assert _decisions(found.before, row) == _decisions(found.after, row)
        assert found.before.scored[row].any()
        grown = int(found.after.not_padding[row].sum() - inputs.not_padding[row].sum())
        assert grown % 2 == 0
        assert (grown >= 0) is (name == "input_pumping") or grown == 0
        changed += grown != 0
    assert changed > 20
    assert not (found.after.scored & ~found.after.not_padding).any()


def test_pumping_keeps_every_decision_and_removal_drops_those_of_the_pair() -> None:
    model = random_model(PLAIN, CLOSING)
    inputs = inputs_for(model, 40)
    pumped, removed = (_rewritten(name, model, inputs) for name in MOVES)
    assert torch.equal(pumped.before.scored, inputs.scored)
    assert int(removed.before.scored.sum()) < int(inputs.scored.sum())


@pytest.mark.parametrize("name", MOVES)
def test_one_seed_is_one_rewriting_and_positions_bound_it(name: str) -> None:
    model = random_model(FAMILIES["one head, no norm, learned positions"], CLOSING)
    inputs = inputs_for(model, 30)
    first, again, other = (_rewritten(name, model, inputs, seed).after.tokens.tolist() for seed in (0, 0, 1))
    assert first == again != other
    tight = random_model(replace(FAMILIES["one head, no norm, learned positions"], max_positions=11), CLOSING)
    assert _rewritten(name, tight, inputs).after.tokens.shape[1] <= 11


def test_where_nothing_can_be_rewritten_both_sides_are_the_same_object() -> None:
    """The strings have no closed pair in front of an output that is judged."""
    inputs = inputs_from(CLOSING, ["(", "(["])
    found = _rewritten("input_pair_removal", random_model(PLAIN, CLOSING), inputs)
    assert found.before is found.after


def test_a_pair_is_removed_with_what_it_encloses() -> None:
    """Of ``(([])`` one may take out [] (2, 3) or ([]) (1 to 4), if a judged output follows: after both only ( is open.

    The last token is followed by an output, but a pair that ends there leaves nothing behind it to compare.
    """
    inputs = inputs_from(CLOSING, ["(([])["])
    tokens = {
        tuple(_rewritten("input_pair_removal", random_model(PLAIN, CLOSING), inputs, seed).after.tokens[0].tolist())
        for seed in range(20)
    }
    assert tokens == {(2, 4, 4, 6, 5), (2, 4, 5)}


def test_a_true_answer_that_would_change_refuses_the_proposal() -> None:
    """Near the end of the longest complete strings less may be opened, so an insertion there is another question."""
    model = random_model(PLAIN, ROOMY)
    inputs = inputs_for(model, 60)
    found = _rewritten("input_pumping", model, inputs)
    p, q = (ROOMY.reference(part.states)[part.scored.numpy()] for part in (found.before, found.after))
    kl = np.where(p > 0, p * np.log(np.where(p > 0, p, 1) / np.where(q > 0, q, 1)), 0).sum(1)
    assert kl.max() <= SAME_ANSWER
    assert ((p > 0) <= (q > 0)).all()


def test_a_task_in_which_every_answer_depends_on_the_room_left_is_not_applicable() -> None:
    for name in MOVES:
        assert equivalences()[name].not_applicable(random_model(PLAIN, ROOMY)) is None
        why_not = equivalences()[name].not_applicable(random_model(PLAIN, TASK))
        assert why_not is not None
        assert "without changing a true answer" in why_not


def test_what_is_not_of_the_language_is_never_kept() -> None:
    model = random_model(PLAIN, CLOSING)
    inputs = inputs_for(model, 10)

    def broken(row: Row, _: np.random.Generator) -> Proposal:
        """A closing bracket right after START."""
        tokens = np.concatenate([row.tokens[:1], [6], row.tokens[1:]])
        return Proposal(tokens, np.concatenate([[0], [-1], np.arange(1, len(row.tokens))]))

    found = rewrite(model, inputs, broken, numpy_generator(0, "x"))
    assert found.before is found.after


def test_lengths_are_those_of_the_task_and_of_the_positions() -> None:
    """Complete strings of 2 to 10 are read as START and all brackets; a prefix's last bracket is a label only."""
    assert length_bounds(random_model(PLAIN), TASK) == (3, 11)
    assert length_bounds(random_model(PLAIN), replace(TASK, prefixes=True)) == (2, 10)
    fixed = replace(TASK, prefixes=True, min_length=10)
    assert length_bounds(random_model(PLAIN), fixed) == (4, 16)
    short = random_model(replace(PLAIN, max_positions=8))
    assert length_bounds(short, TASK) == (3, 8)


def test_the_fault_of_a_spoilt_word_is_not_taken_out() -> None:
    """Without ``(]`` a spoilt string would be a word, and the right answer another one."""
    from auditor.equivalences.input_pair_removal import _remove

    texts = {"(][]()": 0, "()[]()": 1}
    for text, is_word in texts.items():
        inputs = inputs_from(TASK, [text])
        depth, opener = np.asarray([0, 1, 0, 1, 0, 1, 0]), np.asarray([-1, 1, -1, 3, -1, 5, -1])
        row = Row(TASK.language, inputs.tokens[0].numpy(), depth, opener, 1, 40)
        made = [_remove(row, np.random.default_rng(seed)) for seed in range(20)]
        first = [one is not None and 1 not in one.origin for one in made]
        assert any(first) is bool(is_word)
