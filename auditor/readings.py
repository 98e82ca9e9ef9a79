"""Methods by the names that claims and plans give them: ``METHOD``, or ``METHOD at CONDITION``.

A method under a condition is measured, stored and judged under its whole name, beside the method without one.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from dataclasses import replace
from functools import lru_cache

from auditor.behaviour.conditions import Condition, condition_of
from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import InterpretationMethod, Request, Shared, methods
from auditor.errors import LanguageError, PlanError
from auditor.records import Interpretation

_AT = re.compile(r"(?P<method>.+?)\s+at\s+(?P<condition>.+)")


def split(name: str) -> tuple[str, Condition | None]:
    """The name of the method, and its condition.

    Raises:
        LanguageError: a condition of no known form.
    """
    found = _AT.fullmatch(name)
    return (name, None) if found is None else (found["method"], condition_of(found["condition"]))


def why_unknown(name: str) -> str:
    """Why there is no method of this name; empty where there is."""
    try:
        base, condition = split(name)
    except LanguageError as wrong:
        return wrong.found
    if base not in methods():
        return f"unknown method {base!r}"
    if condition is not None and not methods()[base].takes_conditions:
        return f"{base} takes no condition: its scores belong to no outputs that could be chosen"
    return ""


def method_named(name: str) -> InterpretationMethod:
    """The method of this name, under its condition where it has one.

    Raises:
        PlanError: there is none.
    """
    why_not = why_unknown(name)
    if why_not:
        raise PlanError(why_not, action="see dyck-audit methods")
    base, condition = split(name)
    return methods()[base] if condition is None else _conditioned(methods()[base], condition)


class _Conditioned(InterpretationMethod):
    """What a method under a condition does otherwise: it sees the outputs that meet the condition only."""

    condition: Condition
    input_claims = ()  # where other inputs meet the condition, other outputs do

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Needs outputs by position."""
        if model.architecture.is_classifier:
            return "a classifier has one output per string, so that none can be chosen by depth or position"
        return super().not_applicable(model)

    @property
    def readings(self) -> frozenset[Hashable]:
        """None that it shares with methods that see all outputs."""
        return frozenset()

    def interpret(self, request: Request) -> Interpretation:
        """The method's scores on the outputs that meet the condition; means are still taken over all positions."""
        inputs = self.condition.limited(request.inputs)
        return super().interpret(replace(request, inputs=inputs, shared=Shared()))  # type: ignore[safe-super]


@lru_cache(maxsize=64)
def _conditioned(method: InterpretationMethod, condition: Condition) -> InterpretationMethod:
    found: InterpretationMethod = type(type(method).__name__, (_Conditioned, type(method)), {"condition": condition})()
    found.name, found.origin = f"{method.name} at {condition}", method.origin
    return found
