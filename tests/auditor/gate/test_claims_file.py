"""Claims from a file: what each statement means, and every mistake named with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from auditor.errors import ClaimsError
from auditor.gate.claims_file import EXAMPLE, ClaimsFile, Role, read_claims
from auditor.gate.statements import CAUSAL, claim_of, component_named
from auditor.records import Component

HEAD = Component(1, head=0)
ONE = '[[claim]]\ncomponent = "L1H0"\nmethod = "ablation_head_mean"\nstatement = "top-1"\n'


def _read(tmp_path: Path, text: str) -> ClaimsFile:
    file = tmp_path / "claims.toml"
    file.write_text(text, encoding="utf-8")
    return read_claims(file)


@pytest.mark.parametrize(
    ("label", "component"),
    [
        ("L1H0", HEAD),
        ("L0N12", Component(0, neuron=12)),
        ("L1.mlp", Component(1, part="mlp")),
        ("tokens", Component(0, part="tokens")),
    ],
)
def test_labels_name_components_and_back(label: str, component: Component) -> None:
    assert component_named(label) == component
    assert component.label == label


@pytest.mark.parametrize(
    ("statement", "kind", "parameters"),
    [
        ("top-1", "rank", {"top": 1}),
        ("top 3 by m", "rank", {"top": 3}),
        (">= 0.5", "predicate", {"predicate": "at least", "threshold": 0.5, "above": True}),
        ("m ≥ .5e0", None, {}),
        ("m ≥ 0.5", "predicate", {"predicate": "at least", "threshold": 0.5, "above": True}),
        ("< -2e-1", "predicate", {"predicate": "below", "threshold": -0.2, "above": False}),
        ("= 0.31", "value", {"score": 0.31}),
        ("pattern by m", "pattern", {}),
        ("set of L0H1,  L1H0", "set", {"members": ["L0H1", "L1H0"]}),
        ("top-0", None, {}),
        ("the best", None, {}),
        (">= 0.5.5", None, {}),
        ("other >= 0.5", None, {}),
        ("set of heads", None, {}),
    ],
)
def test_statements_become_claims_or_are_refused(
    statement: str, kind: str | None, parameters: dict[str, object]
) -> None:
    if kind is None:
        with pytest.raises(ClaimsError):
            claim_of(HEAD, statement, "m")
        return
    claim = claim_of(HEAD, statement, "m")
    assert (claim.method, claim.kind, claim.component, dict(claim.parameters)) == ("m", kind, HEAD, parameters)


def _with(statement: str) -> str:
    return "m at depth >= 3" if "depth" in statement else "m"


THETA = {"predicate": "at least", "threshold": 0.2, "above": True}
BOTH = {"methods": ["m", "n"]}


@pytest.mark.parametrize(
    ("label", "statement", "kind", "about", "parameters"),
    [
        ("L1H0", "beats L0H1 by m", "comparison", "L1H0", {"other": "L0H1", "by": 0.0}),
        ("L1H0", "beats L0H1 by .5 by m", None, "", {}),
        ("L1H0", "beats L0H1 by 0.5 by m", "comparison", "L1H0", {"other": "L0H1", "by": 0.5}),
        ("L1H0", "reads most from L0H1 by m", "rank", "L0H1", {"top": 1, "to_head": "L1H0"}),
        ("L1H0", "reads from L0H1 >= 0.2 by m", "predicate", "L0H1", {**THETA, "to_head": "L1H0"}),
        ("L1H0", "reads from some head >= 0.2 by m", "existence", "some head", {**THETA, "to_head": "L1H0"}),
        ("L1H0", "backs up L0H1 by 0.2 by m", "predicate", "L1H0", {**THETA, "with_head": "L0H1"}),
        ("some head", "m >= 0.2", "existence", "some head", THETA),
        ("some head", ">= 0.2 by m and by n", "existence", "some head", {**THETA, **BOTH}),
        ("L1H0", "top-2 by m and n", "conjunction", "L1H0", {"kind": "rank", "top": 2, **BOTH}),
        ("L1H0", ">= 0.2 by m, n", "conjunction", "L1H0", {"kind": "predicate", **THETA, **BOTH}),
        ("all heads", "agree on the top 3 by m and by n", "agreement", "all heads", {"top": 3, **BOTH}),
        ("all heads", "agree on the top 3 by m", None, "", {}),
        ("all heads", "top-1 by m", None, "", {}),
        ("some head", "top-1 by m", None, "", {}),
        ("L1H0", "= 0.2 by m and by n", None, "", {}),
        ("L1H0", "agree on the top 3 by m and by n", None, "", {}),
        ("L1H0", "top-2 by m at depth >=3", "rank", "L1H0", {"top": 2}),
        ("L1.residual", "uses the direction by 0.2 by m", "predicate", "L1.residual", {**THETA, "predicate": CAUSAL}),
        ("L0H1->L1H0.q", "top-2 by m", "rank", "L0H1->L1H0.q", {"top": 2}),
        ("embedding->logits", "m >= 0.2", "predicate", "embedding->logits", THETA),
        ("circuit_edge_pruning", "m >= 0.2", "predicate", "circuit_edge_pruning", THETA),
        ("L1.mlp", "uses the direction by 0.2 by m", None, "", {}),
        ("L1H0", "reads from L1H1 >= 0.2 by m", None, "", {}),
        ("L1H0", "reads from L0H1 by m", None, "", {}),
        ("L1H0", "reads from L0.mlp >= 0.2 by m", None, "", {}),
        ("L1.mlp", "reads most from L0H1 by m", None, "", {}),
    ],
)
def test_what_papers_claim_has_a_sentence(
    label: str, statement: str, kind: str | None, about: str, parameters: dict[str, object]
) -> None:
    if kind is None:
        with pytest.raises(ClaimsError):
            claim_of(component_named(label), statement, None)
        return
    claim = claim_of(component_named(label), statement, None)
    assert (claim.method, claim.kind, claim.component.label) == (_with(statement), kind, about)
    assert dict(claim.parameters) == parameters


@pytest.mark.parametrize(
    ("label", "statement", "method"),
    [
        ("circuit of L0H1,  L1H0", "faithful >= 0.2", "circuit_faithfulness of L0H1, L1H0"),
        (
            "circuit of L0H1->L1H0.q, L1H0->logits",
            "complete >= 0.2",
            "circuit_completeness of L0H1->L1H0.q, L1H0->logits",
        ),
        ("circuit of L0H1, L0.mlp", "circuit_faithfulness >= 0.2", "circuit_faithfulness of L0H1, L0.mlp"),
        ("circuit of L0H1, tokens", "faithful >= 0.2", None),
        ("circuit of L0H1, L0H1->logits", "faithful >= 0.2", None),
        ("circuit of ", "faithful >= 0.2", None),
    ],
)
def test_a_circuit_is_claimed_by_its_nodes_or_edges(label: str, statement: str, method: str | None) -> None:
    if method is None:
        with pytest.raises(ClaimsError):
            component_named(label)
        return
    claim = claim_of(component_named(label), statement, None)
    assert (claim.method, claim.kind, dict(claim.parameters)) == (method, "predicate", THETA)
    assert claim.component.label == " ".join(label.split())


def test_a_statement_without_a_method_is_refused() -> None:
    with pytest.raises(ClaimsError, match="no method in 'top-1'"):
        claim_of(HEAD, "top-1", None)


def test_the_printed_example_is_a_claims_file(tmp_path: Path) -> None:
    first, second, *others = _read(tmp_path, EXAMPLE).entries
    assert first.survives == ("exact", "behavioural")
    assert (first.role, second.role) == (Role.PRIMARY, Role.EXPLORATORY)
    assert (second.claim.method, second.survives) == ("attention_stack_top at depth >= 2", ("exact",))
    kinds = {second.claim.kind, *(entry.claim.kind for entry in others)}
    assert kinds == {"existence", "conjunction", "agreement", "comparison", "rank", "predicate"}


def test_claims_are_chosen_by_the_name_or_the_start_of_the_id_of_the_model(tmp_path: Path) -> None:
    read = _read(tmp_path, ONE + 'model = "lm"\n' + ONE + 'name = "b"\nmodel = "mabcdef"\n' + ONE + 'name = "c"\n')
    assert [entry.name for entry in read.about("other", "m123")] == ["c"]
    assert len(read.about("lm", "mabcdef99")) == 3
    assert len(read.about("l")) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (ONE + 'colour = "red"\n', r"claims.toml:5: unknown field 'colour'; expected component, statement"),
        (ONE + "survives = 3\n", "claims.toml:5: survives = 3; expected a list"),
        (ONE + 'survives = ["exact", "magic"]\n', "claims.toml:5: unknown equivalence 'magic'"),
        (ONE + 'role = "main"\n', "claims.toml:5: role = 'main'; expected primary or exploratory"),
        (ONE + "\n" + ONE.replace("L1H0", "head 3"), "claims.toml:7: component 'head 3'"),
        (ONE.replace("ablation_head_mean", "nope"), "claims.toml:3: unknown method 'nope'"),
        (ONE.replace('"top-1"', "0.5"), r"claims.toml:4: statement = 0\.5; expected a text"),
        (ONE.replace('"top-1"', '">= high"'), "claims.toml:4: statement '>= high'"),
        ('[[claim]]\nstatement = "top-1"\n', "claims.toml:1: a claim without component"),
        (ONE + ONE, "claims.toml:5: 'L1H0 top-1 by ablation_head_mean' is claimed twice"),
        ("[[claims]]\n" + ONE, "claims.toml:1: unknown table or field 'claims'"),
        (
            ONE.replace("top-1", "reads most from L0H1"),
            "claims.toml:3: ablation_head_mean has no scores of edges; expected p",
        ),
        (
            ONE.replace("top-1", "reads most from L1H1"),
            "claims.toml:4: L1H0 reads from L1H1; expected a head of an earlier",
        ),
        (ONE.replace("top-1", "top-1 by ablation_head_mean and by nope"), "claims.toml:4: ablation_head_mean and"),
        (ONE.replace("top-1", "backs up L0H1 by much"), "claims.toml:4: statement 'backs up L0H1'|claims.toml:4: "),
        (ONE.replace("top-1", "top-1 at depth > 3"), "claims.toml:4: condition 'depth > 3'; expected depth >= 3"),
        (ONE.replace("top-1", "top-1 at depth 4-2"), "claims.toml:4: condition 'depth 4-2': nothing meets it"),
        (
            ONE.replace("ablation_head_mean", "weights_ov_norm").replace("top-1", "top-1 at depth >= 3"),
            "takes no condition",
        ),
        (ONE.replace("L1H0", "circuit of L0H1"), "claims.toml:3: ablation_head_mean scores no circuits"),
        (
            ONE.replace("top-1", "uses the direction by 0.1"),
            "claims.toml:4: L1H0 'uses the direction by 0.1'; expected a stream",
        ),
        (
            ONE.replace("L1H0", "L1.residual").replace("top-1", "uses the direction by 0.1"),
            "ablates no direction; expected d",
        ),
        ("a = = b", "expected a TOML file of claims"),
        ("", "no claims"),
        ("claim = 3", "no claims"),
    ],
)
def test_every_mistake_is_named_with_its_line(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ClaimsError, match=said):
        _read(tmp_path, text)


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ClaimsError, match="No such file"):
        read_claims(tmp_path / "none.toml")
