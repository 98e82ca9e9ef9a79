"""Other inputs on which a model should decide the same: proposals for single sequences become paired inputs.

A proposal is kept where the new sequence is of the language and leaves something to judge, and where the true answer
of every decision that stays is the same as before. Which bracket closes depends on the stack alone; what comes next in
complete strings also depends on how much room is left, so next-token outputs are compared with the generator.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from auditor.behaviour.input_batch import InputBatch, Rewritten, draw_inputs
from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Equivalence, Request, Transformed, TransformRequest
from auditor.language.grammar import Dyck, Ids, States, states
from auditor.language.task import Task
from auditor.records import Json, Kind
from auditor.seeds import numpy_generator

SAME_ANSWER = 2e-3
"""KL in nats up to which two true next-token distributions are one: a shift of the model within this is no fault."""

ATTEMPTS = 4
"""Proposals for a sequence before it stays as it is."""

PROBE = 64
"""Sequences on which it is tested whether anything can be rewritten."""

BEYOND = 6
"""Brackets by which sequences may leave the training lengths where all of these are one length."""


@dataclass(frozen=True)
class Row:
    """One sequence as it is: its tokens and the stack after each, [position]."""

    language: Dyck
    tokens: Ids
    depth: Ids
    opener: Ids
    shortest: int  # tokens that a new sequence must have at least, START included
    longest: int


@dataclass(frozen=True)
class Proposal:
    """New tokens [position], and for each the old position it stands for; −1 for what was not there."""

    tokens: Ids
    origin: Ids


Propose = Callable[[Row, np.random.Generator], Proposal | None]
"""Another sequence in the place of one, or None where there is none."""


class Rewriting(Equivalence):
    """The same model on other inputs: a sibling holds its proposal for one sequence."""

    kind = Kind.INPUT

    @abstractmethod
    def proposals(self, model: CanonicalTransformer) -> Propose:
        """What is put in the place of a sequence."""

    @abstractmethod
    def facts(self, model: CanonicalTransformer) -> Mapping[str, Json]:
        """Its settings, for the parameters of the variant."""

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """A task whose every answer depends on how much room is left has no such inputs."""
        return why_not_rewritten(model, self.proposals(model))

    def transform(self, request: TransformRequest) -> Transformed:
        """The model itself: only its inputs are other ones; ``parameters["rewritten"]`` is the share of them."""
        model = request.model
        share = share_rewritten(model, request.inputs, self.proposals(model))
        return Transformed(model.clone(), parameters={**self.facts(model), "rewritten": share})

    def rewrite(self, request: Request) -> Rewritten:
        """Every sequence with another in its place, where there is one."""
        return rewrite(request.model, request.inputs, self.proposals(request.model), request.generator)


def rewrite(
    model: CanonicalTransformer, inputs: InputBatch, propose: Propose, generator: np.random.Generator
) -> Rewritten:
    """Every sequence rewritten where that is possible within :data:`ATTEMPTS` proposals; the others stay as they are.

    The same object stands on both sides where no sequence can be rewritten.
    """
    shortest, longest = length_bounds(model, inputs.task)
    before, settled = _rows(inputs, shortest, longest), np.zeros(len(inputs), dtype=bool)
    chosen = [Proposal(row.tokens, np.arange(len(row.tokens))) for row in before]
    for _ in range(ATTEMPTS):
        open_rows = np.flatnonzero(~settled)
        proposals = {int(row): propose(before[row], generator) for row in open_rows}
        tried = {row: proposal for row, proposal in proposals.items() if proposal is not None}
        if not tried:
            continue
        rows = torch.tensor(list(tried))
        kept = _is_equivalent(model.task, inputs.rows(rows), list(tried.values()))
        for row, is_kept in zip(tried, kept, strict=True):
            if is_kept:
                chosen[row], settled[row] = tried[row], True
    return _paired(inputs, chosen) if settled.any() else Rewritten(inputs, inputs)


def why_not_rewritten(model: CanonicalTransformer, propose: Propose) -> str | None:
    """Why no input of a model can be rewritten, or None; seen on :data:`PROBE` sequences of its task."""
    generator = numpy_generator(0, "rewriting probe")
    probe = draw_inputs(model.task, PROBE, generator)
    found = rewrite(model, probe, propose, generator)
    if found.before is not found.after:
        return None
    return f"none of {PROBE} inputs can be rewritten within the lengths of the task without changing a true answer"


def share_rewritten(model: CanonicalTransformer, inputs: InputBatch, propose: Propose) -> float:
    """How many of these sequences are rewritten."""
    found = rewrite(model, inputs, propose, numpy_generator(0, "share rewritten"))
    ours, theirs = (torch.where(one.not_padding, one.tokens, -1) for one in (found.before, found.after))
    missing = theirs.shape[1] - ours.shape[1]
    ours = torch.nn.functional.pad(ours, (0, max(0, missing)), value=-1)
    theirs = torch.nn.functional.pad(theirs, (0, max(0, -missing)), value=-1)
    return float((ours != theirs).any(1).double().mean())


def length_bounds(model: CanonicalTransformer, task: Task) -> tuple[int, int]:
    """Fewest and most input tokens, START included: the task's lengths, and no more than the model's positions."""
    vocabulary = task.language.vocabulary
    has_end = not task.prefixes and vocabulary.end is not None
    marks = (vocabulary.start is not None) - (not has_end)  # the last token of a sequence is a label only
    slack = BEYOND if task.min_length == task.max_length else 0
    longest = task.max_length + marks + slack
    limit = model.architecture.max_positions
    return max(1, task.min_length + marks - slack), longest if limit is None else min(longest, limit)


def _rows(inputs: InputBatch, shortest: int, longest: int) -> list[Row]:
    tokens, depth, opener = (t.numpy() for t in (inputs.tokens, inputs.depth, inputs.opener))
    language, lengths = inputs.task.language, inputs.not_padding.sum(1).tolist()
    return [Row(language, tokens[i, :n], depth[i, :n], opener[i, :n], shortest, longest) for i, n in enumerate(lengths)]


def _is_equivalent(task: Task, before: InputBatch, proposals: Sequence[Proposal]) -> NDArray[np.bool_]:
    """Which proposals are of the language, leave an output to judge and change no true answer."""
    pair = _paired(before, proposals)
    after = pair.after
    found = states(after.task.language, after.tokens.numpy())
    legal = (found.legal | ~after.not_padding.numpy()).all(axis=1)
    judged = after.scored.any(1).numpy()
    if task.objective != "next_token":
        return np.asarray(legal & judged)
    ours, theirs = (task.reference(_bounded(part.states, task))[part.scored.numpy()] for part in (pair.before, after))
    owner = np.nonzero(after.scored.numpy())[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        kl = np.where(ours > 0, ours * np.log(ours / theirs), 0.0).sum(axis=1)
    moved = np.bincount(owner, weights=kl > SAME_ANSWER, minlength=len(after)) > 0
    return np.asarray(legal & judged & ~moved)


def _bounded(found: States, task: Task) -> States:
    """States cut to the depth bound of the task: a deeper one is treated as the deepest."""
    return replace(found, depth=np.minimum(found.depth, task.language.depth))


def _paired(inputs: InputBatch, proposals: Sequence[Proposal]) -> Rewritten:
    """Both sides, with only the decisions scored that exist in both."""
    width = max(len(proposal.tokens) for proposal in proposals)
    origin = np.full((len(proposals), width), -1, dtype=np.int64)
    vocabulary = inputs.task.language.vocabulary
    filler = vocabulary.opening[0] if vocabulary.pad is None else vocabulary.pad
    tokens = np.full_like(origin, filler)
    not_padding = np.zeros(origin.shape, dtype=bool)
    for row, proposal in enumerate(proposals):
        length = len(proposal.tokens)
        tokens[row, :length], origin[row, :length], not_padding[row, :length] = proposal.tokens, proposal.origin, True
    stays = np.zeros(inputs.tokens.shape, dtype=bool)
    rows, columns = np.nonzero(origin >= 0)
    stays[rows, origin[rows, columns]] = True
    before = replace(inputs, scored=inputs.scored & torch.from_numpy(stays))
    scored = (origin >= 0) & np.take_along_axis(inputs.scored.numpy(), origin.clip(0), axis=1)
    found = states(inputs.task.language, tokens)
    after = InputBatch(
        task=inputs.task,
        tokens=torch.from_numpy(tokens),
        not_padding=torch.from_numpy(not_padding),
        scored=torch.from_numpy(scored),
        depth=torch.from_numpy(found.depth),
        stack_top_type=torch.from_numpy(found.top),
        opener=torch.from_numpy(found.opener),
    )
    return Rewritten(before, after)
