"""Direct logit attribution and the logit lens: closed forms, and contributions that add up to the logits."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given

from auditor.behaviour.closing import closing_contrast
from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.architecture import Architecture
from auditor.canonical.interventions import run_with_cache
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.contracts import Request, methods
from auditor.measures.direct_logits import DirectLogits
from auditor.measures.direct_paths import direct_paths
from auditor.measures.streams import lens_logits, stream_components, streams_and_writes
from auditor.measures.untouched import SITES, Piece
from auditor.records import Interpretation
from auditor.seeds import numpy_generator
from auditor.testing.architectures import LAW, architectures
from auditor.testing.families import FAMILIES
from tests.handmade import (
    CONSTANT,
    SLOPE,
    TASK,
    counting_model,
    inputs_for,
    inputs_from,
    naive_stacks,
    random_model,
    sentence,
)

EXACT = 1e-12
SUM = 1e-9
TEXTS = ["()", "([])[]", "[[]]"]


def _interpret(name: str, model: CanonicalTransformer) -> Interpretation:
    return methods()[name].interpret(Request(model, inputs_from(TASK, TEXTS), numpy_generator(0, "direct")))


def _piece(model: CanonicalTransformer, inputs: InputBatch) -> Piece:
    logits, cache = run_with_cache(model, inputs.tokens, sites=SITES)
    return Piece(torch.arange(len(inputs)), inputs, logits, cache)


def _writer(component: str) -> DirectLogits:
    found = methods()[f"direct_logit_{component}"]
    assert isinstance(found, DirectLogits)
    return found


def test_heads_of_the_counting_model() -> None:
    """Head 0 writes ln 3 to the logit of ``a)``, head 1 2/(j + 1) to that of ``b)``: right under a, wrong under b."""
    found = _interpret("direct_logit_head", counting_model()).values
    for row, text in enumerate(TEXTS):
        stacks = naive_stacks(sentence(text))
        tops = [(j, 1 if stack[-1][0] == 0 else -1) for j, stack in enumerate(stacks) if stack]
        expected = [np.mean([sign * CONSTANT for _, sign in tops]), np.mean([-s * SLOPE / (j + 1) for j, s in tops])]
        np.testing.assert_allclose(found[row], expected, rtol=0, atol=EXACT)


def test_lens_of_the_counting_model() -> None:
    """Brackets have no vector, so their embedding gives equal logits: −ln 8. After the layer they are the model's."""
    found = _interpret("logit_lens", counting_model())
    assert [component.label for component in found.components] == ["embedding", "L0.residual"]
    for row, text in enumerate(TEXTS):
        log_p = []
        for j, stack in enumerate(naive_stacks(sentence(text))):
            if stack:
                logits = (CONSTANT, SLOPE / (j + 1))
                log_p.append(logits[stack[-1][0]] - math.log(6 + math.exp(logits[0]) + math.exp(logits[1])))
        np.testing.assert_allclose(found.values[row], [-math.log(8), np.mean(log_p)], rtol=0, atol=EXACT)


@LAW
@given(architecture=architectures())
def test_what_is_written_adds_up_to_the_logits(architecture: Architecture) -> None:
    """With the biases of norms and unembedding at zero, heads, biases, MLPs and embedding are all there is."""
    if architecture.is_classifier:
        return
    model = random_model(architecture)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ("norm" in name and name.endswith("bias")) or name == "b_U":
                parameter.zero_()
        inputs = inputs_for(model, 3)
        direction = closing_contrast(model)[inputs.stack_top_type.clamp_min(0)]
        paths = direct_paths(model, _piece(model, inputs).cache, direction)
        total = (model.embed(inputs.tokens) * paths.embedding).sum(-1)
        for layer, attention in enumerate(model.attentions):
            total += _writer("head").writes(model, paths, layer).sum(-1)
            if attention.b_O is not None:
                total += paths.attention[layer] @ attention.b_O
            if model.mlps:
                total += _writer("mlp").writes(model, paths, layer)[..., 0]
                neurons = (
                    _writer("neuron").writes(model, paths, layer).sum(-1) + paths.mlp[layer] @ model.mlps[layer].b_out
                )
                torch.testing.assert_close(
                    neurons, _writer("mlp").writes(model, paths, layer)[..., 0], rtol=0, atol=SUM
                )
        logits = model(inputs.tokens)
    closing = logits[..., list(model.task.language.vocabulary.closing)]
    right = closing.gather(2, inputs.stack_top_type.clamp_min(0)[..., None])[..., 0]
    wrong = closing.sum(-1) - right
    torch.testing.assert_close(total, right - wrong, rtol=0, atol=SUM * max(1.0, float(logits.abs().max())))


@pytest.mark.parametrize("family", [name for name in FAMILIES if not FAMILIES[name].is_classifier])
def test_streams_are_those_of_the_forward_pass(family: str) -> None:
    model = random_model(FAMILIES[family])
    tokens = inputs_for(model, 3).tokens
    seen = {}

    def hook(site: Site, layer: int, value: torch.Tensor) -> torch.Tensor:
        seen[site, layer] = value
        return value

    with torch.no_grad():
        logits, found = model(tokens, hook), streams_and_writes(model, _piece(model, inputs_for(model, 3)))
        components = stream_components(model)
        for layer, component in enumerate(components[:-1]):
            torch.testing.assert_close(found[component], seen[Site.RESIDUAL, layer])
        torch.testing.assert_close(model.read(found[components[-1]], tokens), logits)
        if model.architecture.has_norm("final"):
            torch.testing.assert_close(lens_logits(model, found[components[-1]]), logits)


def test_what_cannot_be_attributed_has_a_reason() -> None:
    classifier = random_model(FAMILIES["bidirectional classifier, RMS norm"])
    for name in ("direct_logit_head", "direct_logit_mlp", "direct_logit_neuron", "logit_lens"):
        assert "classifier" in (methods()[name].not_applicable(classifier) or "")
    assert "MLP" in (methods()["direct_logit_neuron"].not_applicable(counting_model()) or "")
