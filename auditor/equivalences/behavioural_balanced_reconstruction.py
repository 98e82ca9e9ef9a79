"""A twin of a minimal first layer from the balance condition: random queries, keys and values solved in closed form."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.architecture import Architecture
from auditor.canonical.interventions import run_with_cache
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.contracts import Equivalence, Transformed, TransformRequest
from auditor.language.grammar import Dyck
from auditor.records import Json, Kind

SPREADS = (1.0, 2.0, 3.0, 4.0)
"""Standard deviations of ln h that are tried, in nats."""

DRAWS = 8
"""Draws of h for each spread; the one that moves attention most is taken."""


class BalancedReconstruction(Equivalence):
    """W_Q drawn at random, W_K drawn inside the balance condition, W_V solved from both.

    Inputs are one vector x_c for each class c of (type, direction, depth). A norm follows the attention, so only the
    direction of Σ_c n_c e_τc v_c matters, with n_c the number of tokens of class c so far, e_τc = exp(q_τ·k_c) and v_c
    the value with its bias. Balance, e_τ,open v_open + e_τ,close v_close = 0 for every query τ, is homogeneous in each
    e_τc v_c: with any factors h_c > 0,

        q′_τ·k′_c = q_τ·k_c + ln h_c      v′_c = v_c / h_c

    balances where the original does, errs where it errs, and has the same Σ_c n_c e_τc v_c. Attention becomes
    A_τc h_c / Σ A_τc h_c: nearly arbitrary over keys. Queries q′_τ are Gaussian, keys k′_c solve the linear equations
    above. Nothing is fitted: only the norm's ε and rounding differ, and one factor on all values keeps what is written
    at least as large as it was, so that ε weighs no more than before.
    """

    version = 1
    kind = Kind.BEHAVIOURAL
    summary = "random queries, keys inside the balance condition and values solved for them; nothing is trained"
    needs = (
        "a minimal first layer: inputs of (type, direction, depth) and no position, one head, no output map, "
        "a norm on all that reads the attention"
    )
    promise = "the same outputs up to the norm's ε at every length, within the margins of its certificate"
    source = "Wen et al. 2023, arXiv 2312.01429, section 3: the balance condition and its converse"

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Why the first layer is not minimal, or None."""
        architecture = model.architecture
        if architecture.embedding != "token_and_depth" or architecture.positions != "none":
            return "the first layer is not minimal: inputs must be (type, direction, depth) without a position"
        if architecture.blocks[0].heads > 1 or architecture.output_map:
            return "the balance condition is solved for one head without an output map"
        if architecture.attention_residual or not _is_normed(architecture):
            return "something reads the first attention without a norm, so its scale is not free"
        vectors = _class_vectors(model)
        if int(torch.linalg.matrix_rank(vectors)) < len(vectors):
            return "the input vectors of the token classes are linearly dependent, so values cannot be solved for"
        return None

    @torch.no_grad()
    def transform(self, request: TransformRequest) -> Transformed:
        """The draw that moves attention most on the search sequences."""
        model, inputs, generator, progress = request.model, request.inputs, request.generator, request.progress
        layer = _layer_of(model.clone(dtype=torch.float64))
        best: tuple[float, float, CanonicalTransformer] | None = None
        for number, spread in enumerate(SPREADS):
            progress(number / len(SPREADS), f"factors with a spread of {spread:g} nats")
            for _ in range(DRAWS):
                twin = _twin(model, layer, spread, generator)
                moved = _total_variation(model, twin, inputs)
                if best is None or moved > best[0]:
                    best = (moved, spread, twin)
        moved, spread, twin = best or (0.0, 0.0, model.clone())
        found: dict[str, Json] = {
            "total_variation": moved,
            "spread_nats": spread,
            "classes": len(layer.vectors),
            "query_width": twin.architecture.blocks[0].query_width,
        }
        return Transformed(twin, parameters=found)


@dataclass(frozen=True)
class _FirstLayer:
    """The first attention as a function of the token classes, in float64."""

    vectors: Tensor  # [class, model]
    scores: Tensor  # [class of the query, class of the key], scaled
    values: Tensor  # [class, value_width], with their bias


def _is_normed(architecture: Architecture) -> bool:
    """Whether all that reads the first attention reads it through a norm."""
    if architecture.has_norm("attention_out"):
        return True
    if architecture.mlp == "none":
        return architecture.layers == 1 and architecture.has_norm("final")
    return architecture.has_norm("mlp_in") and not (architecture.mlp_residual or architecture.mlp_input_residual)


def _class_vectors(model: CanonicalTransformer) -> Tensor:
    """The input vector of every class that a legal input holds, START first, after the norm in front of attention."""
    language: Dyck = model.task.language
    vocabulary, depths = language.vocabulary, range(1, language.depth + 1)
    lowered = 0 if model.architecture.depth_rule == "closing_raised" else 1
    places = [] if vocabulary.start is None else [(vocabulary.start, 0)]
    places += [(token, depth) for token in vocabulary.opening for depth in depths]
    places += [(token, depth - lowered) for token in vocabulary.closing for depth in depths]
    tokens, slots = (torch.tensor(column) for column in zip(*places, strict=True))
    rows = model.input_vectors(model.W_E.detach()[tokens, slots][:, None])[:, 0]
    return model.block(0).normed("attention_in", rows.detach()).detach().double()


def _layer_of(model: CanonicalTransformer) -> _FirstLayer:
    vectors, attention = _class_vectors(model), model.attentions[0]
    q, k, v = (
        vectors @ weight[:, 0] + bias[0]
        for weight, bias in (
            (attention.W_Q, attention.b_Q),
            (attention.W_K, attention.b_K),
            (attention.W_V, attention.b_V),
        )
    )
    return _FirstLayer(vectors, q @ k.T * attention.scale, v)


def _twin(
    model: CanonicalTransformer, layer: _FirstLayer, spread: float, generator: np.random.Generator
) -> CanonicalTransformer:
    """W_Q of random queries, then W_K and W_V that are solved; the query is as wide as there are classes at least."""
    architecture, classes = model.architecture, len(layer.vectors)
    width = max(architecture.blocks[0].query_width, classes)
    block = replace(architecture.blocks[0], query_width=width)
    twin = model.clone(architecture=replace(architecture, blocks=(block, *architecture.blocks[1:])))
    skipped = ("layers.0.attention.W_Q", "layers.0.attention.W_K", "layers.0.attention.b_Q", "layers.0.attention.b_K")
    twin.load_state_dict({n: t for n, t in model.state_dict().items() if n not in skipped}, strict=False)
    log_h = torch.from_numpy(generator.normal(0.0, spread, classes))
    queries = torch.from_numpy(generator.normal(0.0, 1.0, (classes, width)))
    attention = twin.attentions[0]
    inverse = torch.linalg.pinv(layer.vectors)  # [model, class]: vectors @ inverse is the identity
    keys = torch.linalg.lstsq(queries, (layer.scores + log_h) / attention.scale).solution.T
    values = layer.values * (log_h.max() - log_h).exp()[:, None]  # nowhere smaller than it was, so ε weighs no more
    for weight, wanted in ((attention.W_Q, queries), (attention.W_K, keys), (attention.W_V, values)):
        weight[:, 0] = (inverse @ wanted).to(weight)
    for bias in (attention.b_Q, attention.b_K, attention.b_V):
        bias.zero_()
    return twin


@torch.no_grad()
def _total_variation(model: CanonicalTransformer, twin: CanonicalTransformer, inputs: InputBatch) -> float:
    """Mean distance of the first layer's attention rows, over the queries that have a choice; 1: disjoint."""
    total, queries = 0.0, 0
    for _, part in inputs.batches():
        ours, theirs = (
            run_with_cache(m, part.tokens, sites=(Site.PATTERN,))[1][Site.PATTERN, 0] for m in (model, twin)
        )
        has_choice = part.not_padding.clone()
        has_choice[:, 0] = False
        rows = 0.5 * (ours - theirs).abs().sum(-1)[:, 0]
        total, queries = total + float(rows[has_choice].sum()), queries + int(has_choice.sum())
    return total / max(queries, 1)
