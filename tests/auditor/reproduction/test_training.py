"""Training of a family: its data, its regulariser on a hand-made model, and going on after a stop."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from auditor.canonical.architecture import Architecture, Block
from auditor.canonical.model import CanonicalTransformer
from auditor.language.grammar import states
from auditor.reproduction.attention_only import BRACKETS
from auditor.reproduction.attention_only import cohort as attention_only
from auditor.reproduction.families import FAMILIES, LONGEST_WORD, untrained
from auditor.reproduction.training import forget, state_file, trained
from auditor.reproduction.training_data import balanced_prefix, cohort, losses_at, squared_change, training_set
from auditor.training.stacked import Stack

FEW = 1_500
"""Tokens of a training set here."""


def mean_of_one_hots() -> CanonicalTransformer:
    """Uniform attention over one-hot tokens, read as logits: output j is the share of each token up to position j."""
    family = FAMILIES["balance_acc"]
    size = len(family.task.language.vocabulary)
    architecture = Architecture(
        model_width=size,
        vocabulary_size=size,
        blocks=(Block(1, size, size, 0),),
        norm_sites=(),
        attention_residual=False,
        output_map=False,
        mlp="none",
        embedding_trained=False,
    )
    model = CanonicalTransformer(architecture, family.task).double()
    with torch.no_grad():
        model.W_E.copy_(torch.eye(size))
        model.attentions[0].W_V[:, 0] = torch.eye(size)
        assert model.W_U is not None
        model.W_U.copy_(torch.eye(size))
    return model


def test_the_regulariser_is_the_squared_change_of_shares() -> None:
    """With START and x, shares of j + 1 tokens; with p in front, of j + 1 + |p|: their mean squared difference."""
    model = mean_of_one_hots()
    stack = Stack([model])
    prefix, inputs = torch.tensor([[4, 6]]), torch.tensor([[[2, 5, 7]]])
    found = squared_change(stack, prefix, inputs, stack.logits(inputs))[0, 0]
    expected = []
    for j in range(3):
        plain, longer = np.zeros(8), np.zeros(8)
        for token in [2, 5, 7][: j + 1]:
            plain[token] += 1 / (j + 1)
        for token in [4, 6, *[2, 5, 7][: j + 1]]:
            longer[token] += 1 / (j + 3)
        expected.append(np.square(plain - longer).mean())
    assert found.detach().numpy() == pytest.approx(expected)


def test_a_prefix_is_two_towers_and_one_pair_of_any_type_and_depth() -> None:
    family = FAMILIES["balance_acc_contrastive"]
    drawn = [balanced_prefix(family, seed, step) for seed in range(2) for step in range(40)]
    found = states(family.task.language, torch.stack(drawn).numpy())
    assert found.depth.shape[1] == 18
    assert found.legal.all()
    assert (found.depth[:, -1] == 0).all()
    assert len({tuple(prefix.tolist()) for prefix in drawn}) == 2 * family.task.language.depth


def test_every_epoch_visits_each_string_once_in_an_order_of_its_seed() -> None:
    data = training_set(FAMILIES["example"], tokens=FEW)
    assert abs(int((data.given.lengths - 1).sum()) - FEW) < LONGEST_WORD
    steps = range(data.steps_per_epoch)
    first = np.concatenate([data.rows(0, step) for step in steps])
    assert sorted(first.tolist()) == list(range(len(data.given)))
    assert first.tolist() != np.concatenate([data.rows(1, step) for step in steps]).tolist()
    later = np.concatenate([data.rows(0, step + data.steps_per_epoch) for step in steps])
    assert first.tolist() != later.tolist()


@pytest.mark.parametrize("name", ["example", "balance_acc_contrastive", "example_prefix_p", "one_layer_default"])
def test_the_loss_in_pieces_is_the_loss_of_the_whole_batch(name: str) -> None:
    """−log p of closing brackets that follow, one string at a time, beside the pieces of like length."""
    family = FAMILIES[name]
    data = training_set(family, tokens=FEW)
    model = untrained(family, 3)
    found = losses_at(Stack([model]), data, [3], 0)
    closing = family.task.language.vocabulary.closing
    losses, changes = [], []
    for index in data.rows(3, 0):
        tokens = torch.from_numpy(data.given.tokens[index, : data.given.lengths[index]])
        logits = model(tokens[None, :-1])[0]
        for place, label in enumerate(tokens[1:].tolist()):
            if label in closing:
                losses.append(-float(logits[place].log_softmax(-1)[label].detach()))
        prefixed = model(torch.cat([balanced_prefix(family, 3, 0), tokens[:-1]])[None])[0, -len(logits) :]
        changes += (logits - prefixed).square().mean(-1).tolist()
    assert float(found.detach()) == pytest.approx(np.mean(losses) + family.contrast * np.mean(changes), rel=1e-4)


class _StoppedError(Exception):
    pass


def test_a_stopped_training_goes_on_where_it_was(tmp_path: Path) -> None:
    made, seeds = cohort(FAMILIES["balance_acc"], least_steps=30, share=0.0, tokens=400), (0, 5)
    whole = trained(made, seeds, tmp_path)
    forget(made, seeds, tmp_path)
    seen = []

    def stop(share: float, _words: str) -> None:
        seen.append(share)
        if len(seen) == 2:
            raise _StoppedError

    with pytest.raises(_StoppedError):
        trained(made, seeds, tmp_path, progress=stop)
    assert state_file(made, seeds, tmp_path).exists()
    again: list[float] = []
    resumed = trained(made, seeds, tmp_path, progress=lambda share, _words: again.append(share))
    assert min(again) > max(seen)
    for one, other in zip(whole, resumed, strict=True):
        for name, weight in one.state_dict().items():
            assert torch.equal(weight, other.state_dict()[name]), name
    state_file(made, seeds, tmp_path).write_bytes(b"cut")
    assert len(trained(made, seeds, tmp_path)) == 2


def test_a_recipe_is_of_one_cohort_schedule_and_seed() -> None:
    families = [cohort(family, tokens=FEW) for family in FAMILIES.values()]
    shorter = cohort(FAMILIES["example"], share=0.5, tokens=FEW)
    others = [attention_only(types, batch=4) for types in (1, 2, 3)]
    recipes = [one.recipe(seed) for one in (*families, shorter, *others) for seed in (0, 1)]
    assert len(set(recipes)) == len(recipes)


def test_the_second_study_learns_from_every_bracket() -> None:
    made = attention_only(2, batch=3)
    stack = Stack([made.start(0), made.start(1)])
    loss = made.losses(stack, (0, 1), 0)
    assert loss.shape == (2,)
    assert made.start(0).architecture.max_positions == BRACKETS + 1
    loss.sum().backward()  # type: ignore[no-untyped-call]
    assert stack.weights["W_pos"].grad is not None
