"""The short sentences in which people claim something, and the claims they are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from auditor.behaviour.conditions import condition_of
from auditor.errors import ClaimsError, LanguageError
from auditor.records import Claim, Component, Json
from auditor.records.axes import TO_HEAD, WITH_HEAD
from auditor.records.interpretation import ALL, CIRCUIT, EDGE_SIGN, METHODS, SOME, WHOLE

GRAMMAR = (
    "top-1 · top-3 · >= 0.5 · < 0.2 · = 0.31 · pattern · set of L0H1, L1H0 · beats L0H1 by 0.2 · "
    "reads most from L0H1 · reads from L0H1 >= 0.2 · uses the direction by 0.02 · "
    "backs up L0H1 by 0.1 · faithful >= 0.8 · complete >= 0.8 · agree on the top 3"
)
"""The forms of a statement; a comparison may have ``METHOD`` before it, the others ``by METHOD`` after them, or ``by
METHOD and by METHOD``. At the end there may be a condition: ``at depth >= 3``, ``at position 10-20``."""

_NAME = r"[a-z][a-z0-9_]*"
_LABEL = r"(?:L\d[\w.]*|some head)"
_NUMBER = r"[-+]?\d[\d.]*(?:e[-+]?\d+)?"
_COMPONENT = re.compile(r"L(?P<layer>\d{1,4})(?:H(?P<head>\d{1,5})|N(?P<neuron>\d{1,6})|\.(?P<part>[a-z_]+))?")
_EDGE = re.compile(
    rf"(?:embedding|L(?P<layer>\d{{1,4}})(?:H\d{{1,5}}|\.mlp)){EDGE_SIGN}"
    r"(?:logits|L\d{1,4}(?:H\d{1,5}\.[qkv]|\.mlp))"
)
_TOP = re.compile(r"top[- ](?P<count>\d{1,5})")
_COMPARISON = re.compile(rf"(?:(?P<method>{_NAME})\s*)?(?P<sign>>=|≥|<|=)\s*(?P<number>{_NUMBER})", re.IGNORECASE)
_SET = re.compile(r"set of (?P<members>[^\s].*)")
_BEATS = re.compile(rf"beats (?P<other>{_LABEL})(?: by (?P<number>{_NUMBER}))?", re.IGNORECASE)
_READS = re.compile(rf"reads (?P<most>most )?from (?P<other>{_LABEL})(?P<how>\s.+)?")
_BACKS_UP = re.compile(rf"backs up (?P<other>{_LABEL}) by (?P<number>{_NUMBER})", re.IGNORECASE)
_AGREE = re.compile(r"agree on the top[- ](?P<count>\d{1,5})")
_BY = re.compile(rf"(?P<statement>.+?)\s+by\s+(?P<methods>{_NAME}(?:\s*(?:,|\band\b)\s*(?:by\s+)?{_NAME})*)")
_AND = re.compile(r"\s*(?:,|\band\b)\s*(?:by\s+)?")

_AT = re.compile(r"(?P<statement>.+?)\s+at\s+(?P<condition>(?:depth|position)\b.*)")
_DIRECTION = re.compile(rf"uses the direction by (?P<number>{_NUMBER})", re.IGNORECASE)

SHORT = {"faithful": "circuit_faithfulness", "complete": "circuit_completeness"}
"""What people call the scores of circuits."""

CAUSAL = "used causally"
"""The predicate of a direction whose ablation costs more than that of controls of equal size."""

REPEATED = ("rank", "set", "predicate", "comparison")
"""Kinds that can be claimed by several methods at once."""


@dataclass(frozen=True)
class _Core:
    """What is claimed, before it is known by which methods."""

    kind: str
    component: Component
    parameters: Mapping[str, Json]


def component_named(label: str) -> Component:
    """The component of a label such as L1H0, L0N12, L1.mlp, tokens or some head.

    Raises:
        ClaimsError: no such way to name a component.
    """
    if label in WHOLE or label.startswith(METHODS):
        return Component(0, part=label)
    if label.startswith(CIRCUIT):
        return _circuit(label)
    if (edge := _EDGE.fullmatch(label)) is not None:
        return Component(int(edge["layer"] or 0), part=label)
    found = _COMPONENT.fullmatch(label)
    if found is None:
        raise ClaimsError(
            f"component {label[:40]!r}",
            expected="a head such as L1H0, a neuron such as L0N12, L1.mlp, an edge such as L0H1->L1H0.q, "
            "circuit of L0H1, L1H0, some head",
        )
    numbers = {name: int(found[name]) for name in ("layer", "head", "neuron") if found[name] is not None}
    return Component(**numbers, part=found["part"])


def _circuit(label: str) -> Component:
    """A circuit by its nodes or edges."""
    members = [one.strip() for one in label.removeprefix(CIRCUIT).split(",")]
    for one in members:
        found = component_named(one)
        if found.head is None and found.part != "mlp" and EDGE_SIGN not in found.label:
            raise ClaimsError(f"{one[:40]!r} in a circuit", expected="heads, MLPs or edges")
    if len({EDGE_SIGN in one for one in members}) > 1:
        raise ClaimsError(f"{label[:60]!r}", expected="nodes or edges, not both")
    return Component(0, part=CIRCUIT + ", ".join(dict.fromkeys(members)))


def claim_of(component: Component, statement: str, method: str | None) -> Claim:
    """The claim that a statement makes about a component.

    Raises:
        ClaimsError: a statement of no known form, no method or too many of them, or a number that is none.
    """
    text, condition = _without_condition(" ".join(statement.split()))
    behind = _BY.fullmatch(text)
    core = text if behind is None else behind["statement"]
    comparison = _COMPARISON.fullmatch(core)
    before = (
        [SHORT.get(comparison["method"], comparison["method"])]
        if comparison is not None and comparison["method"]
        else []
    )
    listed = [] if behind is None else _AND.split(behind["methods"])
    found = _core(component, core, comparison)
    methods = _methods(statement, [name for name in (listed, before, [method] if method else []) if name])
    by = " and by ".join(methods) + condition
    of = f" of {component.label.removeprefix(CIRCUIT)}" if component.label.startswith(CIRCUIT) else ""
    methods = [name + of + condition for name in methods]
    parameters = {**found.parameters, **({"methods": [*methods]} if len(methods) > 1 else {})}
    kind = found.kind
    if kind in REPEATED and len(methods) > 1:
        kind, parameters = "conjunction", {"kind": kind, **parameters}
    elif (kind == "agreement" and len(methods) == 1) or (kind in ("value", "pattern") and len(methods) > 1):
        expected = "two methods or more" if kind == "agreement" else "one method"
        raise ClaimsError(f"{core!r} by {by}", expected=expected)
    return Claim(methods[0], kind, found.component, f"{component.label} {core} by {by}", parameters)


def _without_condition(text: str) -> tuple[str, str]:
    """The statement, and its condition as the name of a method has it: `` at depth >= 3``, or nothing."""
    found = _AT.fullmatch(text)
    if found is None:
        return text, ""
    try:
        return found["statement"], f" at {condition_of(found['condition'])}"
    except LanguageError as wrong:
        raise ClaimsError(wrong.found, expected=wrong.expected) from None


def _methods(statement: str, said: list[list[str]]) -> list[str]:
    """The methods, each place that names any must name the same."""
    different = {tuple(dict.fromkeys(names)) for names in said}
    if len(different) != 1:
        found = " and ".join(sorted(name for names in different for name in names)) or "no method"
        raise ClaimsError(f"{found} in {statement[:60]!r}", expected="one method", action='add method = "NAME"')
    return [*different.pop()]


def _core(component: Component, core: str, comparison: re.Match[str] | None) -> _Core:
    if (reads := _READS.fullmatch(core)) is not None:
        return _edge(component, core, reads)
    if (backs := _BACKS_UP.fullmatch(core)) is not None:
        held: dict[str, Json] = {"predicate": "at least", "threshold": _number(backs["number"]), "above": True}
        return _existence(_Core("predicate", component, {**held, WITH_HEAD: component_named(backs["other"]).label}))
    if (direction := _DIRECTION.fullmatch(core)) is not None:
        if component.part not in ("embedding", "residual"):
            raise ClaimsError(f"{component.label} {core[:60]!r}", expected="a stream: embedding, or L0.residual")
        causal: dict[str, Json] = {"predicate": CAUSAL, "threshold": _number(direction["number"]), "above": True}
        return _existence(_Core("predicate", component, causal))
    if (agree := _AGREE.fullmatch(core)) is not None:
        if component.label not in ALL:
            raise ClaimsError(f"{component.label} {core!r}", expected=f"component = {' or '.join(map(repr, ALL))}")
        return _Core("agreement", component, {"top": _count(agree["count"], core)})
    if component.label in ALL:
        raise ClaimsError(f"{component.label} {core[:60]!r}", expected="agree on the top 3")
    kind, parameters = _kind(core, comparison)
    return _existence(_Core(kind, component, parameters))


def _existence(found: _Core) -> _Core:
    if found.component.label not in SOME:
        return found
    if found.kind != "predicate":
        raise ClaimsError(f"{found.component.label} with a claim of kind {found.kind}", expected=">= 0.5 or < 0.2")
    return _Core("existence", found.component, found.parameters)


def _edge(reader: Component, core: str, reads: re.Match[str]) -> _Core:
    """Claims about an edge are about the head that writes, among all that write to the reader."""
    if reader.head is None:
        raise ClaimsError(f"{reader.label} {core[:60]!r}", expected="a head that reads, such as L1H0")
    how = (reads["how"] or "").strip()
    if bool(reads["most"]) is bool(how):
        raise ClaimsError(f"{core[:60]!r}", expected="reads most from L0H1, reads from L0H1 >= 0.2 or … top-2")
    sender = component_named(reads["other"])
    if sender.head is None and sender.label not in SOME:
        raise ClaimsError(f"{core[:60]!r}", expected="a head that is read, such as L0H1, or some head")
    if sender.head is not None and sender.layer >= reader.layer:
        raise ClaimsError(
            f"{reader.label} reads from {sender.label}", expected="a head of an earlier layer: there is no such edge"
        )
    kind, parameters = _kind(how or "top-1", _COMPARISON.fullmatch(how))
    if kind not in ("rank", "predicate", "value"):
        raise ClaimsError(f"{core[:60]!r}", expected="reads from L0H1 >= 0.2, < 0.2, = 0.2 or top-2")
    return _existence(_Core(kind, sender, {**parameters, TO_HEAD: reader.label}))


def _kind(core: str, comparison: re.Match[str] | None) -> tuple[str, Mapping[str, Json]]:
    if comparison is not None:
        return _compared(comparison)
    if core == "pattern":
        return "pattern", {}
    if (top := _TOP.fullmatch(core)) is not None:
        return "rank", {"top": _count(top["count"], core)}
    if (listed := _SET.fullmatch(core)) is not None:
        members = [component_named(label.strip()).label for label in listed["members"].split(",")]
        return "set", {"members": members}
    if (beats := _BEATS.fullmatch(core)) is not None:
        by = 0.0 if beats["number"] is None else _number(beats["number"])
        return "comparison", {"other": component_named(beats["other"]).label, "by": by}
    raise ClaimsError(f"statement {core[:60]!r}", expected=GRAMMAR)


def _compared(comparison: re.Match[str]) -> tuple[str, Mapping[str, Json]]:
    number = _number(comparison["number"])
    if comparison["sign"] == "=":
        return "value", {"score": number}
    above = comparison["sign"] != "<"
    return "predicate", {"predicate": "at least" if above else "below", "threshold": number, "above": above}


def _count(digits: str, core: str) -> int:
    if int(digits) < 1:
        raise ClaimsError(f"statement {core!r}", expected="top-1 or more")
    return int(digits)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ClaimsError(f"{text[:40]!r} in a statement", expected="a number") from None
