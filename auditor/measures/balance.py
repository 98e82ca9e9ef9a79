"""The balance condition on models whose first layer is minimal (Wen et al. 2023, arXiv 2312.01429, theorem 1).

Such a model sees vectors of (bracket, depth) and normalises what its only attention writes. To be right at all lengths
it must let matched pairs cancel, or many of them would drown the rest. On START (a^D a)^D (b^D b)^D …, with A the
attention without a causal mask and w the written values with their mean over features removed, the violation is the
mean over closing brackets q of depth d′ ≥ 2 of

    max over (t, d) ‖A w of the opening bracket + A w of the closing one‖
    / min over types r ‖A w of START + of the pair of q + Σ_{d < d′} A w of the opening bracket of type r_d‖

The code of the paper takes the n-th closing bracket of a type for the one of depth n. They come innermost first, so its
depth is D + 1 − n: the number "as published" pairs brackets of different depths, and takes closing brackets of
the wrong depth as queries.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import InterpretationMethod, Request
from auditor.language.task import Task
from auditor.measures.circuits import output_maps
from auditor.measures.expectations import HEAD_READINGS
from auditor.records import Expected, Interpretation
from auditor.records.theory import Aspect, Dependence

MAX_STACKS = 65_536
"""Stacks below a query that are tried: k^(D − 1)."""


class BalanceViolation(InterpretationMethod):
    """Longest sum of a matched pair over the shortest sum that the answer rests on, mean over closing queries."""

    family = "balance"
    unit = "share of the shortest sum"
    higher_means = "matched brackets cancel less"
    claims = ("value",)
    distance = "relative_change"
    as_published: ClassVar[bool]  # whether depth d is paired with depth D + 1 − d
    depends_on: ClassVar[Dependence] = {**HEAD_READINGS, Aspect.VALUE_ZERO: Expected.CHANGES}

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Only models with a minimal first layer have the condition."""
        return no_balance_condition(model)

    def interpret(self, request: Request) -> Interpretation:
        """Scores [head] on the canonical string; reads no other inputs."""
        scores = balance_violations(request.model, as_published=self.as_published)
        nothing = dict.fromkeys(scores.isnan().nonzero().flatten().tolist(), "the head writes nothing")
        heads = request.model.architecture.heads
        return Interpretation(self.name, ("head",), heads, scores.double().numpy(), nothing)


@torch.no_grad()
def balance_violations(model: CanonicalTransformer, *, as_published: bool) -> Tensor:
    """The violation of each head of the only layer by itself, [head]. 0: all pairs cancel; NaN: it writes nothing."""
    depth, types = model.task.language.depth, model.task.language.types
    pattern, written = _attention_and_values(model)
    run = torch.arange(1, 2 * depth * types + 1).view(types, 2, depth)  # positions of [type, opens or closes, order]
    opening = run[:, 0]
    closing = run[:, 1] if as_published else run[:, 1].flip(1)  # [type, depth − 1]
    violations = []
    for head in range(len(pattern)):
        ratios = []
        for kind in range(types):
            for below in range(1, depth):
                parts = pattern[head, closing[kind, below]][:, None] * written[head]  # [position, model]
                pairs = parts[opening] + parts[closing]  # [type, depth, model]
                stacks = (parts[0] + pairs[kind, below])[None]
                for level in range(below):
                    stacks = (stacks[:, None] + parts[opening[:, level]][None]).flatten(0, 1)
                ratios.append(pairs.norm(dim=-1).max() / stacks.norm(dim=-1).min())
        violations.append(torch.stack(ratios).mean())
    return torch.stack(violations)


def no_balance_condition(model: CanonicalTransformer) -> str | None:
    """Why the condition does not apply to a model, or None."""
    architecture, language = model.architecture, model.task.language
    if architecture.embedding != "token_and_depth":
        return "the condition is about models whose inputs are vectors of bracket and depth (minimal first layer)"
    if architecture.layers > 1 or architecture.attention_residual or architecture.positions != "none":
        return "the condition is about one attention layer whose inputs pass in no other way and have no positions"
    if not _normalises(model):
        return "nothing behind the attention removes its scale, so pairs need not cancel"
    if language.vocabulary.start is None:
        return "the vocabulary has no START, which the condition counts on"
    if language.depth < 2:
        return "at depth bound 1 no stack lies below a pair"
    if language.types ** (language.depth - 1) > MAX_STACKS:
        return f"{language.types} types at depth bound {language.depth}: more than {MAX_STACKS:,} stacks to search"
    return None


def canonical_string(task: Task) -> list[int]:
    """START and the tower of each type: (a^D a)^D (b^D b)^D …; without START the vocabulary's first token leads."""
    return [task.language.vocabulary.start or 0, *towers(task)]


def towers(task: Task) -> list[int]:
    """Every type nested as deep as it goes, one after the other."""
    vocabulary, depth = task.language.vocabulary, task.language.depth
    brackets = zip(vocabulary.opening, vocabulary.closing, strict=True)
    return [token for opens, closes in brackets for token in [opens] * depth + [closes] * depth]


def _normalises(model: CanonicalTransformer) -> bool:
    """Whether a norm is the first thing behind the attention."""
    architecture = model.architecture
    if architecture.has_norm("attention_out"):
        return True
    if architecture.mlp == "none":
        return architecture.has_norm("final")
    return architecture.has_norm("mlp_in") and not architecture.mlp_residual


def _attention_and_values(model: CanonicalTransformer) -> tuple[Tensor, Tensor]:
    """Attention without a mask [head, query, key] and centred writes [head, key, model] on the canonical string."""
    tokens = torch.tensor([canonical_string(model.task)])
    x = model.block(0).normed("attention_in", model.embed(tokens))[0]
    attention = model.attentions[0]
    q, k, v = (
        torch.einsum("pm,mhw->hpw", x, weight) + bias[:, None]
        for weight, bias in (
            (attention.W_Q, attention.b_Q),
            (attention.W_K, attention.b_K),
            (attention.W_V, attention.b_V),
        )
    )
    written = v @ output_maps(attention)
    pattern = (q @ k.mT * attention.scale).softmax(-1)
    return pattern, written - written.mean(-1, keepdim=True)
