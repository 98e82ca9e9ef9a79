"""The same comparison by depth, position, distance to the opener, or kind of string: the worst bin of each.

A mean over all outputs hides what goes wrong in few of them. Every bin is bounded on its own and every one has to stay
within the margins, so no correction for their number is due: a certificate passes a wrong twin only if the one bin that
is wrong passes, which has a probability of at most 5 % (intersection–union test, Berger 1982).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.behaviour.bounds import clustered_bound, kl_bound
from auditor.behaviour.comparison import Comparison
from auditor.behaviour.input_batch import InputBatch
from auditor.language.grammar import states, token_roles
from auditor.records import CertificateRow

BIN_SEQUENCES = 250
"""Sequences in a bin at least: without a difference the bound is then 1.2 %, and one string in which a decision turns
over, with a KL of half a nat, leaves the KL of its bin below the margin: that alone is no evidence of a weak place."""

RARE_SEQUENCES = 100
"""The same for states and kinds of strings that are drawn for themselves, in which every output counts."""

FAR = 25
"""Tokens from an opening bracket to the one that closes it, from which on a match counts as far."""

DISTANCES = (2, 4, 8, 16, FAR - 1)
"""Upper ends of the bins of distance below :data:`FAR`."""

NEAR = 0.1
"""Share of the strings, those of which a classifier is least sure, that counts as near its decision boundary."""


@dataclass(frozen=True)
class Bin:
    """Some of the scored outputs, by name."""

    name: str
    chosen: NDArray[np.bool_]  # [scored]


def rows(found: Comparison, inputs: InputBatch, where: str) -> tuple[CertificateRow, ...]:
    """The rows of one set of inputs; ``where`` names it. Without a bin of enough sequences there is no row."""
    if inputs.task.objective == "classifier":
        kinds = row(found, where, "kind", by_kind(found, inputs), least=RARE_SEQUENCES)
        return () if kinds is None else (kinds,)
    cuts = {"depth": by_depth(found), "position": by_position(found), "distance": by_distance(found)}
    made = (row(found, where, by, bins) for by, bins in cuts.items())
    return tuple(one for one in made if one is not None)


def rare_row(found: Comparison, inputs: InputBatch) -> CertificateRow | None:
    """The row of states that few sequences reach: the depth bound, and far matches."""
    deepest = inputs.task.language.depth
    bins = [Bin(f"depth {deepest}", found.depth == deepest), Bin(f"distance {FAR} and more", found.distance >= FAR)]
    return row(found, "rare", "state", bins, least=RARE_SEQUENCES)


def row(
    found: Comparison, where: str, by: str, bins: Sequence[Bin], *, least: int = BIN_SEQUENCES
) -> CertificateRow | None:
    """The worst bin by each number, of those that hold at ``least`` so many sequences."""
    parts = [(one.name, found.where(one.chosen)) for one in bins]
    parts = [(name, part) for name, part in parts if _sequences(part.owner) >= least]
    if not parts:
        return None
    far, far_at = max((_kl_upper(part), name) for name, part in parts)
    differs = [
        (bound, name)
        for name, part in parts
        if _sequences(part.owner[part.decides]) >= least and (bound := clustered_bound(part)) is not None
    ]
    most, most_at = max(differs) if differs else (None, None)
    return CertificateRow(where, by, len(parts), far, far_at, most, most_at)


def by_depth(found: Comparison) -> list[Bin]:
    """One bin for each height of the stack that enough sequences reach; the rarer ones with their neighbours."""
    return _by_value(found, found.depth)


def by_position(found: Comparison) -> list[Bin]:
    """One bin for each position that enough sequences reach; those behind them together with the last."""
    return _by_value(found, found.position)


def by_distance(found: Comparison) -> list[Bin]:
    """How far away the bracket is that is to be closed; a bin that too few reach is joined with a nearer one."""
    index = np.searchsorted(DISTANCES, found.distance)
    merged = _by_value(found, np.where(found.distance > 0, index, -1))
    starts, ends = (1, *(end + 1 for end in DISTANCES)), (*DISTANCES, None)
    bins = []
    for one in merged:
        present = index[one.chosen & (found.distance > 0)]
        if present.size:
            first, last = starts[int(present.min())], ends[int(present.max())]
            bins.append(Bin(f"{first} and more" if last is None else f"{first} to {last}", one.chosen))
    return bins


def by_kind(found: Comparison, inputs: InputBatch) -> list[Bin]:
    """Words, each way in which a string is none, and the strings nearest to the original's decision boundary."""
    kinds = _kinds(inputs)[found.owner]
    bins = [Bin(str(kind), kinds == kind) for kind in np.unique(kinds)]
    least = np.zeros(found.owner.shape, dtype=bool)
    least[np.argsort(found.confidence, kind="stable")[: max(RARE_SEQUENCES, round(NEAR * len(least)))]] = True
    return [*bins, Bin("near the decision boundary", least)]


def _kinds(inputs: InputBatch) -> NDArray[np.str_]:
    """[sequence] what each string is: a word, a prefix of one, or how it leaves the language."""
    tokens, real = inputs.tokens.numpy(), inputs.not_padding.numpy()
    each, last = np.arange(len(tokens)), real.sum(1) - 1
    found = states(inputs.task.language, tokens)
    legal, is_closed = found.legal[each, last], found.depth[each, last] == 0
    height = (token_roles(inputs.task.language.vocabulary).change[tokens] * real).cumsum(axis=1)
    conditions = [
        legal & is_closed,
        legal,
        height[:, -1] != 0,
        height.min(axis=1) < 0,
        height.max(axis=1) > inputs.task.language.depth,
    ]
    return np.select(
        conditions, ["word", "prefix of a word", "unbalanced", "closed before opened", "too deep"], "wrong type"
    )


def _by_value(found: Comparison, values: NDArray[np.int64]) -> list[Bin]:
    """Bins of one value each, in ascending order; a bin of too few sequences is joined with the next ones."""
    order = np.argsort(values, kind="stable")
    owners = np.split(found.owner[order], np.unique(values[order], return_index=True)[1][1:])
    groups: list[list[int]] = []
    pending: list[int] = []
    reached: set[int] = set()
    for value, its in zip(np.unique(values).tolist(), owners, strict=True):
        pending.append(value)
        reached.update(its.tolist())
        if len(reached) >= BIN_SEQUENCES:
            groups.append(pending)
            pending, reached = [], set()
    if pending and groups:
        groups[-1] += pending
    return [Bin(_span(group), (values >= group[0]) & (values <= group[-1])) for group in groups]


def _span(values: Sequence[int]) -> str:
    return str(values[0]) if len(values) == 1 else f"{values[0]} to {values[-1]}"


def _sequences(owner: NDArray[np.int64]) -> int:
    return len(np.unique(owner))


def _kl_upper(found: Comparison) -> float:
    return kl_bound(found)[1]
