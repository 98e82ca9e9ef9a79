"""Claims about what a model does not have are refused with file and line, before anything is computed."""

from __future__ import annotations

import pytest

from auditor.errors import ClaimsError
from auditor.gate.claims_file import Entry, Role
from auditor.gate.possible import require_possible
from auditor.gate.statements import claim_of, component_named
from auditor.testing.models import inputs_for, random_model

MODEL = random_model()
INPUTS = inputs_for(MODEL, 40)


def _checked(component: str, statement: str) -> None:
    claim = claim_of(component_named(component), statement, None)
    entry = Entry(claim, claim.text, ("exact",), Role.PRIMARY, None, 7)
    require_possible("claims.toml", [entry], MODEL.architecture, INPUTS)


@pytest.mark.parametrize(
    ("component", "statement", "missing"),
    [
        ("L0H9", "top-1 by m", "head L0H9"),
        ("L7H0", "top-1 by m", "layer 7"),
        ("L7.mlp", ">= 1 by m", "layer 7"),
        ("L0N999", "top-1 by m", "neuron L0N999"),
        ("L0H0", "set of L0H0, L0H8 by m", "head L0H8"),
        ("L0H0", "beats L0H8 by m", "head L0H8"),
        ("L1H9", "reads most from L0H0 by m", "head L1H9"),
        ("L1H0", "reads most from L0H9 by m", "head L0H9"),
        ("L0H1->L1H9.q", "top-1 by m", "head L1H9"),
        ("L0H0", "top-1 by ablation_head_mean at depth >= 30", "no scored output of 40 sequences at depth >= 30"),
        ("L0H0", "top-1 by ablation_head_mean at position 500-600", "at position 500-600"),
    ],
)
def test_what_does_not_exist_is_refused_with_its_line(component: str, statement: str, missing: str) -> None:
    with pytest.raises(ClaimsError, match=rf"claims\.toml:7: .*{missing}"):
        _checked(component, statement)


@pytest.mark.parametrize(
    ("component", "statement"),
    [
        ("L1H0", "reads most from L0H1 by m"),
        ("L0H1->L1H0.q", "top-1 by m"),
        ("embedding->logits", "top-1 by m"),
        ("some head", ">= 0.5 by m at depth >= 2 and position < 9"),
        ("L1.mlp", ">= 0.1 by m"),
    ],
)
def test_what_exists_passes(component: str, statement: str) -> None:
    _checked(component, statement)
