"""Milliseconds per exact variant, and what the cache saves when heads are ablated."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from auditor import zoo
from auditor.behaviour.effects import kl_per_position
from auditor.behaviour.input_batch import InputBatch, draw_inputs
from auditor.canonical.interventions import replace_head
from auditor.canonical.model import CanonicalTransformer
from auditor.checkpoints.intake.detection import load
from auditor.contracts import TransformRequest, equivalences
from auditor.equivalences.exact_value_bias_shift import DIRECTIONS, SCALES
from auditor.measures.ablation.substitutes import zero
from auditor.measures.ablation.sweep import head_effects
from auditor.records import Kind
from auditor.seeds import numpy_generator
from tests.benchmarks.timing import Line, seconds

SEQUENCES = 48


def lines() -> Iterator[Line]:
    """Each exact equivalence on the bundled model, against naive code that changes one entry of W_O at a time.

    The search for a worst case is set against one that runs one sequence at a time, and the whole model each time.
    """
    model = load(zoo.path(zoo.DEMONSTRATION)).model.double()
    inputs = draw_inputs(model.task, SEQUENCES, numpy_generator(0, "benchmark"))
    slow = seconds(lambda: naive_rewrite(model)) * 1e3
    for name, plugin in equivalences().items():
        if plugin.kind is not Kind.EXACT or plugin.not_applicable(model) is not None:
            continue
        for parameters in {str(c.get("shift")): c for c in plugin.choices(model.architecture, 1)}.values():
            made = seconds(
                lambda given=parameters, plugin=plugin: plugin.transform(
                    TransformRequest(model, inputs, numpy_generator(0, "benchmark"), parameters=given)
                )
            )
            is_search = parameters.get("shift") == "worst_case"
            naive = seconds(lambda: naive_search(model, inputs), repeats=1) * 1e3 if is_search else slow
            label = f"{name} {parameters.get('shift', '')}".strip()
            yield Line(f"variant, {label}", made * 1e3, naive, "ms", more_is_better=False)
    cached = seconds(lambda: head_effects(model, inputs, zero(model))) * 1e3
    whole = seconds(lambda: naive_ablation(model, inputs)) * 1e3
    yield Line("zero ablation of every head", cached, whole, "ms", more_is_better=False)


def naive_rewrite(model: CanonicalTransformer) -> CanonicalTransformer:
    """A copy whose output maps are rewritten entry by entry in Python."""
    twin = model.clone()
    with torch.no_grad():
        for attention in twin.attentions:
            W_O, _ = attention.output
            for head in range(W_O.shape[0]):
                for row in range(W_O.shape[1]):
                    for column in range(W_O.shape[2]):
                        W_O[head, row, column] = float(W_O[head, row, column]) * 1.0
    return twin


@torch.no_grad()
def naive_search(model: CanonicalTransformer, inputs: InputBatch) -> float:
    """The largest effect of as many replacements of one head's output as the search tries."""
    head = model.architecture.heads[0]
    noise = torch.Generator().manual_seed(0)
    width = model.architecture.blocks[0].value_width
    largest = 0.0
    for _ in range(len(SCALES) * DIRECTIONS):
        hook = replace_head(model, head, torch.randn(width, generator=noise))
        total = 0.0
        for row, length in enumerate(inputs.not_padding.sum(1).tolist()):
            tokens = inputs.tokens[row : row + 1, :length]
            log_p, log_q = model(tokens).log_softmax(-1), model(tokens, hook).log_softmax(-1)
            total += float(kl_per_position(log_p, log_q).mean())
        largest = max(largest, total)
    return largest


@torch.no_grad()
def naive_ablation(model: CanonicalTransformer, inputs: InputBatch) -> list[float]:
    """One sequence at a time, the whole model again for every head."""
    effects = []
    for row, length in enumerate(inputs.not_padding.sum(1).tolist()):
        tokens = inputs.tokens[row : row + 1, :length]
        log_p = model(tokens).log_softmax(-1)
        for head in model.architecture.heads:
            log_q = model(tokens, replace_head(model, head, torch.zeros(()))).log_softmax(-1)
            effects.append(float(kl_per_position(log_p, log_q).mean()))
    return effects
