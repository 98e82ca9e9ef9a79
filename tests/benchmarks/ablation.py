"""A sweep of zero and mean ablation over all heads and neurons, against TransformerLens hooks.

Three layers, two heads, width 56, 56 neurons, 500 strings: the size of a public bracket classifier, as a classifier
read at START and as a language model.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from auditor.behaviour.effects import kl_per_position, mean_where
from auditor.behaviour.input_batch import InputBatch, draw_inputs
from auditor.canonical.architecture import Architecture, Block
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.language.grammar import Dyck
from auditor.language.task import Task
from auditor.measures.ablation.effects import EFFECTS
from auditor.measures.ablation.substitutes import mean, zero
from auditor.measures.ablation.sweep import Ablation, sweep
from auditor.measures.untouched import Untouched
from auditor.records import Component
from auditor.seeds import numpy_generator
from tests.benchmarks.timing import Line, seconds
from tests.handmade import random_model
from tests.hooked_transformer import hooked_transformer

SEQUENCES = 500
LENGTH = 40
"""Brackets in the longest string."""

GOAL = 8
"""How many times as fast as the same sweep with hooks it has to be."""

EVERY = 24
"""The hooked sweep is timed on every 24th neuron and on all heads: a pass costs the same for each."""

LANGUAGE_MODEL = Architecture(
    model_width=56,
    vocabulary_size=8,
    blocks=(Block(heads=2, query_width=28, value_width=28, neurons=56),) * 3,
    positions="learned",
    max_positions=LENGTH + 2,
)
CLASSIFIER = replace(LANGUAGE_MODEL, causal=False, pad_masked=True, read_out=0, classes=2)

HOOKS = {Site.Z: "attn.hook_z", Site.NEURON: "mlp.hook_post"}


def lines() -> Iterator[Line]:
    """Ablations per second in a sweep of 2 × (6 heads + 168 neurons), each over all strings."""
    for name, architecture in (("classifier", CLASSIFIER), ("language model", LANGUAGE_MODEL)):
        model, inputs = subject(architecture)
        hooked = hooked_transformer(model)
        count = 2 * sum(len(components(model, site)) for site in HOOKS)
        ours = count / seconds(lambda m=model, e=inputs: our_sweep(m, e), repeats=2)
        theirs = count / sum(_hooked_seconds(hooked, model, inputs, site) for site in HOOKS)
        yield Line(f"zero and mean ablation, {name}", ours, theirs, "edits/s", goal=GOAL * theirs)


def _hooked_seconds(hooked: Any, model: CanonicalTransformer, inputs: InputBatch, site: Site) -> float:
    """Seconds for all components of the site, from some of them."""
    everything = components(model, site)
    chosen, means = everything[:: 1 if site is Site.Z else EVERY], mean_table(model, inputs, site)
    took = seconds(lambda: hooked_sweep(hooked, inputs, site, chosen, means), repeats=1)
    return took * len(everything) / len(chosen)


def subject(architecture: Architecture, *, sequences: int = SEQUENCES) -> tuple[CanonicalTransformer, InputBatch]:
    """A random model and its strings."""
    objective = "classifier" if architecture.is_classifier else "next_token"
    task = Task(Dyck.standard(2, 4), objective=objective, max_length=LENGTH)
    model = random_model(architecture, task, dtype=torch.float32)
    return model, draw_inputs(task, sequences, numpy_generator(0, "benchmark"))


def components(model: CanonicalTransformer, site: Site) -> tuple[Component, ...]:
    """All heads, or all neurons."""
    return model.architecture.heads if site is Site.Z else model.architecture.neurons


def our_sweep(model: CanonicalTransformer, inputs: InputBatch) -> list[np.ndarray]:
    """KL effects of zero and mean ablation of all heads, then of all neurons, from one untouched pass."""
    ablations = [
        Ablation(components(model, site), site, substitute)
        for site in HOOKS
        for substitute in (zero(model), mean(Untouched(model, inputs), site))
    ]
    return sweep(model, inputs, ablations, EFFECTS["kl"])


def mean_table(model: CanonicalTransformer, inputs: InputBatch, site: Site) -> list[Tensor]:
    """Means over positions per layer, as the mean ablations of both sides use them."""
    return list(mean(Untouched(model, inputs), site)(torch.empty(0), 0))


@torch.no_grad()
def hooked_sweep(
    hooked: Any, inputs: InputBatch, site: Site, chosen: tuple[Component, ...], means: list[Tensor]
) -> list[np.ndarray]:
    """The same with one run of all the padded strings per component and hook, zero first: [sequence, component]."""
    found = []
    untouched = _log_p(hooked(inputs.tokens), inputs)
    for values in ([torch.zeros(())] * len(means), means):
        columns = []
        for component in chosen:
            unit = component.head if site is Site.Z else component.neuron
            value = values[component.layer] if values[component.layer].dim() == 0 else values[component.layer][unit]

            def edit(activation: Tensor, hook: Any, unit: int | None = unit, value: Tensor = value) -> Tensor:
                activation[:, :, unit] = value
                return activation

            name = f"blocks.{component.layer}.{HOOKS[site]}"
            logits = hooked.run_with_hooks(inputs.tokens, fwd_hooks=[(name, edit)])
            kl = kl_per_position(untouched, _log_p(logits, inputs))
            columns.append(kl if kl.dim() == 1 else mean_where(kl, inputs.scored))
        found.append(torch.stack(columns, 1).numpy().astype(np.float64))
    return found


def _log_p(logits: Tensor, inputs: InputBatch) -> Tensor:
    """Log-probabilities; of a classifier those at START."""
    return (logits[:, 0] if inputs.task.objective == "classifier" else logits).log_softmax(-1)
