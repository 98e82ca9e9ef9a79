"""The laws that every adapter keeps: each key is handled, ignored by name, or refused by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from auditor.checkpoints.intake.detection import choose
from auditor.contracts import Weights, adapters
from auditor.errors import CheckpointError

EXTRA_KEYS = ("adapter.lora_A", "{prefix}.extra", "~")
"""Keys that no format has; ``prefix`` is that of one that it has."""


@dataclass(frozen=True)
class Examples:
    """Checkpoints of one format. ``ignored`` are endings of keys whose loss loses nothing."""

    adapter: str
    weights: tuple[Weights, ...]
    ignored: tuple[str, ...] = ()

    def keys(self, weights: Weights) -> Iterator[str]:
        """The keys without which the model is not whole."""
        yield from (key for key in weights.tensors if not key.endswith(self.ignored))


def its_own_are_recognised_by_no_other(examples: Examples) -> None:
    assert examples.weights
    assert all(choose(weights).name == examples.adapter for weights in examples.weights)


def a_missing_key_is_refused_by_name(examples: Examples) -> None:
    """But for one that stands in the file twice, as a tied table does: savers leave copies out."""
    for weights in examples.weights:
        for key in examples.keys(weights):
            if not _has_a_copy(weights, key):
                left = {other: tensor for other, tensor in weights.tensors.items() if other != key}
                _is_refused(examples, weights, left, key)


def a_renamed_key_is_refused_by_either_name(examples: Examples) -> None:
    for weights in examples.weights:
        for key in examples.keys(weights):
            renamed = {f"{key}_old" if one == key else one: tensor for one, tensor in weights.tensors.items()}
            _is_refused(examples, weights, renamed, key)


def an_added_key_is_refused_by_name(examples: Examples) -> None:
    for weights in examples.weights:
        for extra in EXTRA_KEYS:
            added = extra.format(prefix=next(examples.keys(weights)).rsplit(".", 1)[0])
            _is_refused(examples, weights, {**weights.tensors, added: torch.ones(2)}, added)


def a_key_of_another_shape_is_refused(examples: Examples) -> None:
    for weights in examples.weights:
        for key in examples.keys(weights):
            grown = torch.zeros(*(size + 1 for size in weights.tensors[key].shape))
            _is_refused(examples, weights, {**weights.tensors, key: grown}, "")


def converting_leaves_the_tensors_alone_and_shares_none(examples: Examples) -> None:
    weights = examples.weights[0]
    before = {key: tensor.clone() for key, tensor in weights.tensors.items()}
    model = adapters()[examples.adapter].convert(weights)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    assert all(torch.equal(before[key], tensor) for key, tensor in weights.tensors.items())


LAWS: tuple[Callable[[Examples], None], ...] = (
    its_own_are_recognised_by_no_other,
    a_missing_key_is_refused_by_name,
    a_renamed_key_is_refused_by_either_name,
    an_added_key_is_refused_by_name,
    a_key_of_another_shape_is_refused,
    converting_leaves_the_tensors_alone_and_shares_none,
)
"""Laws of an adapter, over checkpoints of its format."""


def _has_a_copy(weights: Weights, key: str) -> bool:
    return any(other != key and torch.equal(tensor, weights.tensors[key]) for other, tensor in weights.tensors.items())


def _is_refused(examples: Examples, weights: Weights, tensors: dict[str, Tensor], named: str) -> None:
    try:
        adapters()[examples.adapter].convert(replace(weights, tensors=tensors))
    except CheckpointError as refused:
        assert named in str(refused), f"{named}: {refused}"  # noqa: PT017 - the laws need no pytest
    else:
        raise AssertionError(f"{examples.adapter} reads a checkpoint in which {named or 'a shape'} is wrong")
