"""Edges between components: who writes, and what reads it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from auditor.records.interpretation import EDGE_SIGN, Component

_HEAD = re.compile(r"L(\d+)H(\d+)")


def edge(writer: Component, reader: str) -> Component:
    """The edge as a component: ``L0H1->L1H0.q``. ``reader`` is a head with its port, an MLP or ``logits``."""
    return Component(writer.layer, part=f"{writer.label}{EDGE_SIGN}{reader}")


def heads_of(edges: Sequence[Component]) -> list[str]:
    """The labels of all heads that the edges name, in flat order."""
    found = {(int(layer), int(head)) for one in edges for layer, head in _HEAD.findall(one.label)}
    return [f"L{layer}H{head}" for layer, head in sorted(found)]


def renamed(one: Component, names: Mapping[str, str | None]) -> str | None:
    """The label of an edge with other names of its heads; None where one of them has none."""
    if any(names.get(head.group(0)) is None for head in _HEAD.finditer(one.label)):
        return None
    return _HEAD.sub(lambda head: names[head.group(0)] or "", one.label)
