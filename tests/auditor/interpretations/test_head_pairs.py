"""Pairs of heads: copies of one head back each other up, and heads that do nothing have nothing to back up."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.contracts import Request, TransformRequest, equivalences, methods
from auditor.seeds import numpy_generator
from tests.handmade import counting_model, inputs_for, random_model, stack_model

NAME = "ablation_head_pair_mean"


def _scores(name: str, model: CanonicalTransformer, count: int = 24) -> np.ndarray:
    return methods()[name].interpret(Request(model, inputs_for(model, count), numpy_generator(0, "m"))).values


def test_copies_of_a_head_stand_in_for_each_other() -> None:
    """The final LayerNorm removes the scale of what is written, so that one copy of the stack head does for both.

    Without either the outputs lose what they lose without the head that was split.
    """
    model = stack_model()
    inputs = inputs_for(model, 24)
    split = equivalences()["exact_head_splitting"].transform(
        TransformRequest(model, inputs, numpy_generator(0, "split"), parameters={"head": 0})
    )
    copies = [new for new, old in enumerate(split.relabelling.moves["head"]) if old == (0,)]
    assert len(copies) == 2
    whole = _scores("ablation_head_mean", model).mean(0)[0]
    alone = _scores("ablation_head_mean", split.model).mean(0)[copies]
    pair = _scores(NAME, split.model).mean(0)[copies[0], copies[1]]
    assert pair == pytest.approx(whole - alone.sum(), abs=1e-9)
    assert pair > 0.5 * whole > 0.1


def test_a_head_that_is_its_mean_backs_nothing_up() -> None:
    np.testing.assert_allclose(_scores(NAME, counting_model()), 0.0, atol=1e-12)


def test_a_slow_second_implementation_agrees() -> None:
    model = random_model()
    inputs, heads = inputs_for(model, 6), model.architecture.heads
    single, pairs = _scores("ablation_head_mean", model, 6), _scores(NAME, model, 6)
    assert pairs.shape == (6, len(heads), len(heads))
    np.testing.assert_array_equal(pairs, pairs.swapaxes(1, 2))
    total: dict[int, list[torch.Tensor]] = {}

    def keep(site: Site, layer: int, value: torch.Tensor) -> torch.Tensor:
        if site is Site.Z:
            total.setdefault(layer, []).append(value[inputs.not_padding])
        return value

    before = model(inputs.tokens, keep).log_softmax(-1)
    means = {layer: values[0].mean(0) for layer, values in total.items()}

    def without(site: Site, layer: int, value: torch.Tensor) -> torch.Tensor:
        if site is Site.Z and layer in (0, 1):
            value = value.clone()
            value[:, :, 0] = means[layer][0]
        return value

    after = model(inputs.tokens, without).log_softmax(-1)
    kl = (before.exp() * (before - after)).sum(-1)
    both = ((kl * inputs.scored).sum(1) / inputs.scored.sum(1)).detach().numpy()
    second = next(index for index, head in enumerate(heads) if (head.layer, head.head) == (1, 0))
    np.testing.assert_allclose(pairs[:, 0, second], both - single[:, 0] - single[:, second], atol=1e-9)
