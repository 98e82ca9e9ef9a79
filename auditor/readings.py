"""Methods by the names that claims and plans give them: ``METHOD``, ``METHOD of MEMBERS``, ``METHOD at CONDITION``.

A method for one circuit, or under a condition, is measured, stored and judged under its whole name, beside the method
without one.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product

from auditor.behaviour.conditions import Condition, condition_of
from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import InterpretationMethod, Request, Shared, methods
from auditor.errors import LanguageError, PlanError
from auditor.records import Component, Interpretation, Relabelling
from auditor.records.axes import HEAD

_NAME = re.compile(r"(?P<method>\S+)(?:\s+of\s+(?P<members>.+?))?(?:\s+at\s+(?P<condition>.+))?")


@dataclass(frozen=True, slots=True)
class Reading:
    """The method, the members of the circuit that it is about, and the condition that its outputs meet."""

    method: str
    members: tuple[str, ...] = ()
    condition: Condition | None = None

    def __str__(self) -> str:
        of = f" of {', '.join(self.members)}" if self.members else ""
        return self.method + of + ("" if self.condition is None else f" at {self.condition}")


def reading_of(name: str) -> Reading:
    """The parts of a name.

    Raises:
        LanguageError: a condition of no known form.
    """
    found = _NAME.fullmatch(name)
    if found is None:
        return Reading(name)
    members = tuple(one.strip() for one in (found["members"] or "").split(",") if one.strip())
    condition = None if found["condition"] is None else condition_of(found["condition"])
    return Reading(found["method"], members, condition)


def why_unknown(name: str) -> str:
    """Why there is no method of this name; empty where there is."""
    try:
        reading = reading_of(name)
    except LanguageError as wrong:
        return wrong.found
    method = methods().get(reading.method)
    if method is None:
        return f"unknown method {reading.method!r}"
    if reading.members and method.of_circuit(reading.members) is None:
        return f"{reading.method} scores no circuits"
    if reading.condition is not None and not method.takes_conditions:
        return f"{reading.method} takes no condition: its scores belong to no outputs that could be chosen"
    return ""


def method_named(name: str) -> InterpretationMethod:
    """The method of this name, for its circuit and under its condition where it has one.

    Raises:
        PlanError: there is none.
    """
    why_not = why_unknown(name)
    if why_not:
        raise PlanError(why_not, action="see dyck-audit methods")
    reading = reading_of(name)
    method = methods()[reading.method]
    if reading.members:
        method = method.of_circuit(reading.members) or method
    return method if reading.condition is None else _conditioned(method, reading.condition)


def in_variant(name: str, relabelling: Relabelling, original: Sequence[Component], variant: Sequence[Component]) -> str:
    """The name under which a variant has a reading of the original: with its own names for the heads of the circuit.

    ``original`` and ``variant`` are the heads of both. A head that was split is all that stand for it.
    """
    reading, moves = reading_of(name), relabelling.moves.get(HEAD)
    if not reading.members or moves is None:
        return name
    stand_for: dict[str, list[str]] = {head.label: [] for head in original}
    for new, olds in zip(variant, moves, strict=True):
        if olds is not None and len(olds) == 1:
            stand_for[original[olds[0]].label].append(new.label)
    return str(
        replace(reading, members=tuple(one for member in reading.members for one in _renamed(member, stand_for)))
    )


def _renamed(member: str, stand_for: Mapping[str, Sequence[str]]) -> list[str]:
    """A node or an edge under every combination of other names for its heads."""
    heads = _HEAD.findall(member)
    choices = product(*(stand_for.get(head, [head]) for head in heads))
    return [_HEAD.sub("{}", member).format(*names) for names in choices]


_HEAD = re.compile(r"L\d+H\d+")


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
