"""The short sentences in which people claim something, and the claims they are."""

from __future__ import annotations

import re
from collections.abc import Mapping

from auditor.errors import ClaimsError
from auditor.records import Claim, Component, Json
from auditor.records.interpretation import WHOLE

GRAMMAR = "top-1 · top-3 · >= 0.5 · < 0.2 · = 0.31 · pattern · set of L0H1, L1H0"
"""The forms of a statement; a comparison may have ``METHOD`` before it, the others ``by METHOD`` after them."""

_COMPONENT = re.compile(r"L(?P<layer>\d{1,4})(?:H(?P<head>\d{1,5})|N(?P<neuron>\d{1,6})|\.(?P<part>[a-z_]+))?")
_TOP = re.compile(r"top[- ](?P<count>\d{1,5})")
_COMPARISON = re.compile(
    r"(?:(?P<method>[a-z][a-z0-9_]*)\s*)?(?P<sign>>=|≥|<|=)\s*(?P<number>[-+]?\d[\d.]*(?:e[-+]?\d+)?)", re.IGNORECASE
)
_SET = re.compile(r"set of (?P<members>[^\s].*)")
_BY = re.compile(r"(?P<statement>.+?)\s+by\s+(?P<method>[a-z][a-z0-9_]*)")


def component_named(label: str) -> Component:
    """The component of a label such as L1H0, L0N12, L1.mlp or tokens.

    Raises:
        ClaimsError: no such way to name a component.
    """
    if label in WHOLE:
        return Component(0, part=label)
    found = _COMPONENT.fullmatch(label)
    if found is None:
        raise ClaimsError(
            f"component {label[:40]!r}", expected="a head such as L1H0, a neuron such as L0N12, or L1.mlp"
        )
    numbers = {name: int(found[name]) for name in ("layer", "head", "neuron") if found[name] is not None}
    return Component(**numbers, part=found["part"])


def claim_of(component: Component, statement: str, method: str | None) -> Claim:
    """The claim that a statement makes about a component.

    Raises:
        ClaimsError: a statement of no known form, no method or two of them, or a number that is none.
    """
    text = " ".join(statement.split())
    behind = _BY.fullmatch(text)
    core = text if behind is None else behind["statement"]
    comparison = _COMPARISON.fullmatch(core)
    said = {found["method"] for found in (behind, comparison) if found is not None and found["method"]}
    named = said | ({method} if method else set())
    if len(named) != 1:
        found_methods = " and ".join(sorted(named)) or "no method"
        raise ClaimsError(f"{found_methods} in {statement[:60]!r}", expected="one method", action='add method = "NAME"')
    kind, parameters = _kind(core, comparison)
    name = named.pop()
    return Claim(name, kind, component, f"{component.label} {core} by {name}", parameters)


def _kind(core: str, comparison: re.Match[str] | None) -> tuple[str, Mapping[str, Json]]:
    if comparison is not None:
        return _compared(comparison)
    if core == "pattern":
        return "pattern", {}
    if (top := _TOP.fullmatch(core)) is not None:
        if int(top["count"]) < 1:
            raise ClaimsError(f"statement {core!r}", expected="top-1 or more")
        return "rank", {"top": int(top["count"])}
    if (listed := _SET.fullmatch(core)) is not None:
        members = [component_named(label.strip()).label for label in listed["members"].split(",")]
        return "set", {"members": members}
    raise ClaimsError(f"statement {core[:60]!r}", expected=GRAMMAR)


def _compared(comparison: re.Match[str]) -> tuple[str, Mapping[str, Json]]:
    try:
        number = float(comparison["number"])
    except ValueError:
        raise ClaimsError(f"{comparison['number'][:40]!r} in a statement", expected="a number") from None
    if comparison["sign"] == "=":
        return "value", {"score": number}
    above = comparison["sign"] != "<"
    return "predicate", {"predicate": "at least" if above else "below", "threshold": number, "above": above}
