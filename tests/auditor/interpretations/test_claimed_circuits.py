"""Circuits that people claim, as sets of nodes and of edges, and under the names that a variant has for its heads."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Request, TransformRequest, equivalences
from auditor.measures.edges.claimed import claimed_edges
from auditor.measures.edges.graph import Graph
from auditor.plans.plan import PLANS
from auditor.readings import in_variant, method_named
from auditor.records import Interpretation, Kind, Relabelling, Variant, VariantState
from auditor.seeds import numpy_generator
from auditor.stages.measure import Share, measure_group
from tests.handmade import inputs_for, random_model

MODEL = random_model()
HEADS = [head.label for head in MODEL.architecture.heads]
GRAPH = Graph(MODEL.architecture)


def _score(name: str, model: CanonicalTransformer = MODEL) -> float:
    request = Request(model, inputs_for(model, 30), numpy_generator(0, "measure"))
    return float(method_named(name).interpret(request).values.mean())


@pytest.mark.parametrize("method", ["circuit_faithfulness", "circuit_completeness"])
def test_all_heads_are_the_whole_model(method: str) -> None:
    assert _score(f"{method} of {', '.join(HEADS)}") == pytest.approx(1.0, abs=1e-9)
    edges = ", ".join(edge.label for edge in GRAPH.components)
    assert _score(f"{method} of {edges}") == pytest.approx(1.0, abs=1e-9)


def test_an_edge_that_carries_nothing_is_no_circuit() -> None:
    """One edge out of the last layer, whose writer reads corrupt streams, brings nothing of the clean type."""
    last = HEADS[-1]
    assert _score(f"circuit_faithfulness of {last}->logits") == pytest.approx(0.0, abs=1e-9)


def test_nodes_have_all_edges_between_them() -> None:
    chosen = claimed_edges(GRAPH, ["L0H0", "L1H0"])
    labels = {edge.label for edge, is_in in zip(GRAPH.components, chosen.tolist(), strict=True) if is_in}
    assert {"embedding->L0H0.q", "L0H0->L1H0.v", "L1H0->logits", "embedding->logits"} <= labels
    assert not any("L0H1" in label or "L1H1" in label for label in labels)
    has_mlp = any(label.startswith("L0.mlp") for label in labels)
    assert has_mlp is GRAPH.has_mlp
    if has_mlp:
        named = claimed_edges(GRAPH, ["L0H0", "L0.mlp"])
        assert not any(
            "L1.mlp" in edge.label for edge, one in zip(GRAPH.components, named.tolist(), strict=True) if one
        )


def test_the_heads_of_a_circuit_are_found_under_their_new_names() -> None:
    heads = MODEL.architecture.heads
    moves = Relabelling({"head": tuple((old,) for old in (1, 0, *range(2, len(heads))))})
    assert in_variant("m of L0H0, L1H0", moves, heads, heads) == "m of L0H1, L1H0"
    assert in_variant("m of L0H0->L1H0.q", moves, heads, heads) == "m of L0H1->L1H0.q"
    assert in_variant("m at depth >= 3", moves, heads, heads) == "m at depth >= 3"
    split = Relabelling({"head": ((0,), (0,), *((old,) for old in range(1, len(heads) - 1)))})
    assert in_variant("m of L0H0", split, heads, heads) == "m of L0H0, L0H1"


def test_a_permuted_model_has_the_same_circuit() -> None:
    """Measured under the old names it would be another circuit."""
    name, plan = (
        "circuit_faithfulness of L0H1, L1H0",
        replace(PLANS["quick"], sequences=30, methods=(), equivalences=()),
    )
    made = equivalences()["exact_head_permutation"].transform(
        TransformRequest(MODEL, inputs_for(MODEL, 8), numpy_generator(3, "permute"))
    )
    kind, state = Kind.EXACT, VariantState.CERTIFIED
    variant = Variant(
        "exact_head_permutation/0", "exact_head_permutation", kind, 0, state, relabelling=made.relabelling
    )
    (ours,) = measure_group(MODEL, plan, 0, [name]).values()
    given = {"variant": variant.key, "made": variant, "share": Share(MODEL, plan, 0)}
    found = measure_group(made.model, plan, 0, [name, "ablation_head_mean"], **given)  # type: ignore[arg-type]
    theirs = found[name]
    assert isinstance(ours, Interpretation)
    assert isinstance(theirs, Interpretation)
    assert (theirs.method, theirs.components) == (name, ours.components)
    np.testing.assert_allclose(theirs.values, ours.values, atol=1e-9)
    heads = MODEL.architecture.heads
    own = in_variant(name, made.relabelling, heads, heads)
    assert own != name
    assert abs(_score(name, made.model) - _score(own, made.model)) > 1e-4
