"""Which stored models compute one function."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, select

from auditor.errors import FilterError
from auditor.fingerprint.groups import one_function
from auditor.fingerprint.sketch import label
from auditor.store.filters import unknown
from auditor.store.schema import model

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Function:
    """What one model computes."""

    model_id: str
    label: str | None  # the oldest model's; None: the model has no fingerprint
    members: tuple[str, ...] = ()  # ids of all models that compute it, this one included, oldest first

    @property
    def shared_with(self) -> tuple[str, ...]:
        """The other models that compute it, oldest first."""
        return tuple(one for one in self.members if one != self.model_id)


def functions(fingerprints: Iterable[tuple[str, str | None]]) -> dict[str, Function]:
    """The function of each model, from (id, fingerprint) oldest first. All of one function get the oldest one's label.

    A model without a fingerprint is on its own.
    """
    given = dict(fingerprints)
    found = {model_id: Function(model_id, None, (model_id,)) for model_id in given}
    known = {model_id: text for model_id, text in given.items() if text is not None}
    for members in one_function(known.items()):
        shown = label(known[members[0]])
        found |= {model_id: Function(model_id, shown, members) for model_id in members}
    return found


def list_functions(session: Connection) -> Mapping[str, Function]:
    """The function of every stored model by the model's id."""
    query = select(model.c.id, model.c.function_fingerprint).order_by(model.c.created_at, model.c.id)
    return functions((row.id, row.function_fingerprint) for row in session.execute(query))


def models_of_function(session: Connection, text: str) -> tuple[str, ...]:
    """The ids of the models that compute one function, given by the start of its label, or by a model of it.

    Raises:
        FilterError: no stored model is or computes it, or the text begins several labels.
    """
    found = list_functions(session)
    named = session.execute(select(model.c.id).where((model.c.name == text) | (model.c.id == text))).scalars().all()
    if named:
        return tuple(dict.fromkeys(one for model_id in named for one in found[model_id].members))
    labels = sorted({one.label for one in found.values() if one.label is not None})
    meant = [one for one in labels if text and one.startswith(text)]
    if not meant:
        raise unknown("function", text, labels, action="see the labels in `dyck-audit models list`")
    if len(meant) > 1:
        listed = ", ".join(meant[:_SHOWN]) + (", …" if len(meant) > _SHOWN else "")
        raise FilterError(f"{text!r} begins the labels {listed}", expected="one function", action="type more of it")
    return tuple(model_id for model_id, one in found.items() if one.label == meant[0])
