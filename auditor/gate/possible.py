"""Whether what claims are about exists in a model: heads, edges, neurons, layers, and outputs that meet a condition."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.architecture import Architecture
from auditor.errors import ClaimsError, LanguageError
from auditor.gate.claims_file import Entry
from auditor.readings import reading_of
from auditor.records import Claim
from auditor.records.axes import SECOND_AXES
from auditor.records.values import texts

_NAMED = re.compile(r"\bL(?P<layer>\d+)(?:(?P<what>[HN])(?P<number>\d+))?")


def require_possible(path: str, entries: Sequence[Entry], architecture: Architecture, inputs: InputBatch) -> None:
    """Refuse claims about what a model does not have, before it is audited. ``inputs``: what methods will see.

    Raises:
        ClaimsError: the first of them, with file and line.
    """
    for entry in entries:
        where = f"{path}:{entry.line}"
        for label in labels_of(entry.claim):
            if found := _missing(label, architecture):
                raise ClaimsError(f"{where}: the model has no {found}", expected=_has(architecture))
        for method in entry.claim.methods:
            condition = reading_of(method).condition
            try:
                if condition is not None and not architecture.is_classifier:
                    condition.limited(inputs)
            except LanguageError as wrong:
                raise ClaimsError(f"{where}: {wrong.found}", expected=wrong.expected) from None


def labels_of(claim: Claim) -> Iterable[str]:
    """All components that a claim names."""
    named = [claim.parameters.get(name) for name in ("other", *SECOND_AXES)]
    return (claim.component.label, *texts(claim.parameters, "members"), *(str(one) for one in named if one is not None))


def _missing(label: str, architecture: Architecture) -> str:
    for found in _NAMED.finditer(label):
        layer = int(found["layer"])
        if layer >= architecture.layers:
            return f"layer {layer}, which {label} names"
        block = architecture.blocks[layer]
        count = {"H": block.heads, "N": block.neurons, None: 1}[found["what"]]
        if found["number"] is not None and int(found["number"]) >= count:
            return f"{'head' if found['what'] == 'H' else 'neuron'} {found[0]}"
    return ""


def _has(architecture: Architecture) -> str:
    heads = " + ".join(str(block.heads) for block in architecture.blocks)
    neurons = " + ".join(str(block.neurons) for block in architecture.blocks)
    return f"one of {heads} heads or {neurons} neurons, layer by layer, from 0"
