"""Which stored models compute one function, as the lists show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from auditor.store.models import StoredModel


@dataclass(frozen=True, slots=True)
class Function:
    """What one model computes: the label of its function, and the other models that compute it, oldest first."""

    label: str | None
    shared_with: tuple[str, ...] = ()


def functions(models: Sequence[StoredModel]) -> Mapping[str, Function]:
    """The function of each model by id, from all stored models. All models of one function get the oldest one's label.

    A model without a fingerprint is on its own.
    """
    from auditor.fingerprint.groups import one_function
    from auditor.fingerprint.sketch import label

    oldest_first = sorted(models, key=lambda model: (model.created_at, model.id))
    texts = {m.id: m.function_fingerprint for m in oldest_first if m.function_fingerprint is not None}
    found = {model.id: Function(None) for model in models}
    for members in one_function(texts.items()):
        for model_id in members:
            others = tuple(other for other in members if other != model_id)
            found[model_id] = Function(label(texts[members[0]]), others)
    return found
