"""Edges and circuits on models whose paths are worked out on paper."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from auditor import zoo
from auditor.canonical.architecture import Architecture, Block
from auditor.checkpoints.intake.detection import load
from auditor.contracts import Request, methods
from auditor.measures.edges.circuit import edge_runs
from auditor.measures.edges.forward import cut, run, unchanged
from auditor.measures.edges.graph import Graph
from auditor.measures.patching.pairs import mean_margin
from auditor.records import Component, Interpretation, Relabelling
from auditor.records.edges import edge
from auditor.seeds import numpy_generator
from auditor.testing.models import PLAIN, inputs_for, random_model
from auditor.verdicts.alignment import align
from tests.auditor.interpretations.test_known_patching import BY_HEAD, BY_MLP, DIRECT, relay_model
from tests.handmade import TASK, counting_model, inputs_from

EXACT = 1e-12
SCORED = ("circuit_edge_attribution", "circuit_edge_integrated_gradients")
HEAD = BY_HEAD / 2
EXPECTED = {
    "embedding->L0H0.v": DIRECT + HEAD + BY_MLP,
    "L0H0->L1H0.v": HEAD,
    "L0H0->L1.mlp": BY_MLP,
    "L0H0->logits": DIRECT,
    "L1H0->logits": HEAD,
    "L1.mlp->logits": BY_MLP,
}
"""What each edge of the relay model carries on ``(``; all others carry nothing."""


def _request(texts: list[str]) -> Request:
    return Request(relay_model(), inputs_from(TASK, texts), numpy_generator(0, "known"))


@pytest.mark.parametrize("name", SCORED)
def test_every_edge_of_the_relay_model(name: str) -> None:
    """The model is linear but for rectifiers that cancel out, so the gradient is right at every point."""
    found = methods()[name].interpret(_request(["("]))
    labels = [component.label for component in found.components]
    assert set(EXPECTED) < set(labels)
    expected = [EXPECTED.get(label, 0.0) for label in labels]
    np.testing.assert_allclose(found.values, [expected], rtol=0, atol=EXACT)
    assert found.numerical_error is None or found.numerical_error < EXACT


def test_pruning_keeps_the_paths_of_the_relay_model() -> None:
    """Shares of 12.5 logits. Nothing of a path is gone when its next edge is tried, so each costs what it carries."""
    found = methods()["circuit_edge_pruning"].interpret(_request(["(", "["]))
    expected = [EXPECTED.get(component.label, 0.0) / 12.5 for component in found.components]
    np.testing.assert_allclose(found.values, [expected] * 2, rtol=0, atol=EXACT)


def test_a_circuit_of_some_paths_is_as_faithful_as_what_they_carry() -> None:
    runs = edge_runs(_request(["(", "["]))
    labels = [component.label for component in runs.graph.components]
    through_mlp = torch.tensor([one in ("embedding->L0H0.v", "L0H0->L1.mlp", "L1.mlp->logits") for one in labels])
    np.testing.assert_allclose(runs.faithfulness(through_mlp), BY_MLP / 12.5, rtol=0, atol=EXACT)
    np.testing.assert_allclose(runs.completeness(through_mlp), 1.0, rtol=0, atol=EXACT)
    np.testing.assert_allclose(runs.completeness(through_mlp & (torch.arange(len(labels)) > 0)), 1.0, atol=EXACT)
    last = torch.tensor([one == "L1.mlp->logits" for one in labels])
    np.testing.assert_allclose(runs.faithfulness(last), 0.0, rtol=0, atol=EXACT)
    np.testing.assert_allclose(runs.completeness(last), BY_MLP / 12.5, rtol=0, atol=EXACT)


def test_what_comes_before_the_first_cut_edge_need_not_be_run_again() -> None:
    """The same margins to the last bit, wherever the first cut edge lies."""
    model = random_model()
    runs = edge_runs(Request(model, inputs_for(model, 6), numpy_generator(0, "reuse")))
    edges = len(runs.graph.edges)
    for first in range(0, edges, 5):
        kept = torch.arange(edges) != first
        kept[first + 7 :: 7] = False
        table = runs.graph.table(kept)
        for piece in runs.pieces:
            whole = run(model, runs.graph, piece.embedded[0], piece.part.tokens, cut(table, piece.corrupt)).logits
            expected = mean_margin(piece.part, whole).detach().numpy()
            np.testing.assert_array_equal(runs.margins(kept)[piece.rows.numpy()], expected)


def test_the_circuit_of_the_constructed_model_is_the_construction() -> None:
    """The type goes from the embedding through the values of the second layer's only head to the logits."""
    model = load(zoo.path("dyck2x4-2layer-constructed")).model.double()
    request = Request(model, inputs_for(model, 8), numpy_generator(0, "known"))
    found = methods()["circuit_edge_pruning"].interpret(request)
    kept = {c.label for c, cost in zip(found.components, found.values.mean(0), strict=True) if cost >= 0.02}
    assert kept == {"embedding->L1H0.v", "L1H0->logits"}
    for name in ("circuit_faithfulness", "circuit_completeness"):
        np.testing.assert_allclose(methods()[name].interpret(request).values.mean(0), 1.0, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "architecture",
    [
        PLAIN,
        replace(PLAIN, norm_sites=("attention_in", "final"), positions="rotary", rotary_width=2, rotary_base=20.0),
        replace(
            PLAIN,
            mlp="none",
            norm="rms",
            norm_sites=("attention_in", "final"),
            blocks=(Block(heads=2, query_width=3, value_width=5, neurons=0),) * 2,
            causal=False,
            pad_masked=True,
        ),
        replace(
            PLAIN,
            output_map=False,
            model_width=6,
            blocks=(Block(heads=2, query_width=3, value_width=3, neurons=5),) * 2,
        ),
    ],
    ids=["plain", "rotary", "no MLP, bidirectional", "no output map"],
)
def test_the_pass_by_edges_is_the_model_and_its_ends_are_the_two_inputs(architecture: Architecture) -> None:
    model = random_model(architecture)
    graph, tokens = Graph(model.architecture), inputs_for(model, 5).tokens
    with torch.no_grad():
        torch.testing.assert_close(run(model, graph, model.embed(tokens), tokens, unchanged).logits, model(tokens))
    runs = edge_runs(Request(model, inputs_for(model, 8), numpy_generator(0, "ends")))
    everything = torch.ones(len(runs.graph.edges), dtype=torch.bool)
    np.testing.assert_allclose(runs.margins(everything), runs.ends[0], rtol=0, atol=EXACT)
    np.testing.assert_allclose(runs.margins(~everything), runs.ends[1], rtol=0, atol=EXACT)


def test_models_without_a_sum_of_writes_get_a_reason() -> None:
    assert "past the attention" in str(methods()["circuit_edge_attribution"].not_applicable(counting_model()))
    post_norm = random_model(replace(PLAIN, norm_sites=("attention_out",)))
    assert "norm stands on the residual stream" in str(methods()["circuit_edge_pruning"].not_applicable(post_norm))


def test_edges_follow_their_heads() -> None:
    """The new L0H0 is the old L0H1; the new L0H1 is two old heads at once, so that its edges stand for none."""
    heads = [Component(0, 0), Component(0, 1), Component(1, 0)]
    old = tuple(edge(writer, reader) for writer in heads[:2] for reader in ("L1H0.q", "logits"))
    old = (*old, edge(heads[2], "logits"))
    found = Interpretation("law", ("edge",), old, np.asarray([1.0, 2.0, 3.0, 4.0, 5.0]))
    swapped = align(found, Relabelling({"head": ((1,), (0,), (2,))}), old)
    assert swapped.values.tolist() == [3.0, 4.0, 1.0, 2.0, 5.0]
    merged = align(found, Relabelling({"head": ((1,), (0, 1), (2,))}), old)
    assert sorted(merged.undefined) == [0, 1]
    assert merged.values[2:].tolist() == [1.0, 2.0, 5.0]
