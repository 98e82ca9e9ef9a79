"""Which entry of a nested checkpoint holds the weights.

Training scripts save ``{"model_state_dict": …, "optimizer_state_dict": …, "epoch": …}``, ``{"state_dict": …,
"hyper_parameters": …}`` and the like. An entry is a state dict if it maps names to tensors, at least one of them a
matrix of floating-point numbers. States of optimizers are keyed by number, random states hold no such matrix.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torch import Tensor

from auditor.records import Json

MAX_DEPTH = 4
MAX_LOOKED_AT = 20_000
MAX_FACTS = 100
MAX_GROUPS = 8
MAX_TEXT = 200
_EXTRA_STATE = "_extra_state"
"""What torch saves of a module beside its tensors; never a weight."""


@dataclass(frozen=True)
class Entry:
    """A state dict in a checkpoint. ``path`` is empty where the whole checkpoint is one."""

    path: tuple[str, ...]
    content: Mapping[object, object]

    @property
    def name(self) -> str:
        """The path with dots, as ``--entry`` takes it."""
        return ".".join(self.path)

    @property
    def tensors(self) -> Mapping[object, object]:
        """Its content without what torch saves of modules beside their tensors."""
        return {
            name: value
            for name, value in self.content.items()
            if isinstance(value, Tensor) or not str(name).endswith(_EXTRA_STATE)
        }


def entries(checkpoint: Mapping[object, object]) -> list[Entry]:
    """The state dicts in a checkpoint, the outermost first; none where the checkpoint is one itself."""
    if any(_is_matrix(value) for value in checkpoint.values()):
        return []
    return [Entry(path, value) for path, value in _walk(checkpoint) if _is_state_dict(value)]


def outermost(found: list[Entry]) -> list[Entry]:
    """Those that no other stands above."""
    least = min((len(entry.path) for entry in found), default=0)
    return [entry for entry in found if len(entry.path) == least]


def facts_beside(checkpoint: Mapping[object, object], chosen: Entry) -> dict[str, dict[str, Json]]:
    """Plain values of the groups beside the weights, such as ``model_args`` and ``hyper_parameters``."""
    groups: dict[str, dict[str, Json]] = {}
    for name, value in checkpoint.items():
        if isinstance(name, str) and isinstance(value, Mapping) and value is not chosen.content:
            plain = {str(key)[:MAX_TEXT]: _plain(inner) for key, inner in list(value.items())[:MAX_FACTS]}
            if name == "model_args" or any(_is_setting(inner) for inner in value.values()):
                groups[name[:MAX_TEXT]] = plain
    return dict(list(groups.items())[:MAX_GROUPS])


def _walk(checkpoint: Mapping[object, object]) -> Iterator[tuple[tuple[str, ...], Mapping[object, object]]]:
    """(path, mapping) of the mappings inside, level by level."""
    level: list[tuple[tuple[str, ...], object]] = [((), checkpoint)]
    looked_at = 0
    for _ in range(MAX_DEPTH):
        below: list[tuple[tuple[str, ...], object]] = []
        for path, group in level:
            for name, value in _items(group):
                looked_at += 1
                if looked_at > MAX_LOOKED_AT:
                    return
                inner = (*path, name)
                if isinstance(value, Mapping):
                    yield inner, value
                if isinstance(value, Mapping | list) and not (isinstance(value, Mapping) and _is_state_dict(value)):
                    below.append((inner, value))
        level = below


def _items(group: object) -> Iterator[tuple[str, object]]:
    if isinstance(group, Mapping):
        yield from ((name, value) for name, value in group.items() if isinstance(name, str))
    elif isinstance(group, list):
        yield from ((str(place), value) for place, value in enumerate(group))


def _is_state_dict(value: Mapping[object, object]) -> bool:
    named = all(
        isinstance(name, str) and (isinstance(inner, Tensor) or name.endswith(_EXTRA_STATE))
        for name, inner in value.items()
    )
    return named and any(_is_matrix(inner) for inner in value.values())


def _is_setting(value: object) -> bool:
    return isinstance(value, bool | int | float | str)


def _is_matrix(value: object) -> bool:
    return isinstance(value, Tensor) and value.dim() >= 2 and value.dtype.is_floating_point


def _plain(value: object) -> Json:
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if value is None or isinstance(value, bool | int):
        return value if not isinstance(value, int) or abs(value) < 2**53 else str(value)[:MAX_TEXT]
    if isinstance(value, str):
        return value[:MAX_TEXT]
    if isinstance(value, Mapping) and not value:
        return {}
    if isinstance(value, list | tuple) and len(value) <= MAX_FACTS and all(isinstance(v, int | str) for v in value):
        return [_plain(inner) for inner in value]
    return f"a {type(value).__name__}"
