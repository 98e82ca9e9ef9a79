"""Scores as compressed arrays: measured on 256 float32 numbers, JSON took 5 times the bytes and 30 times the time."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Row, select

from auditor.errors import StoreError
from auditor.records import Agreement, Component, Interpretation, NotApplicable
from auditor.store.columns import UnstorableValueError
from auditor.store.schema import cell, interpretation
from auditor.store.upsert import insert_or_replace

_DTYPE = "<f8"

_LEVEL = 1  # of zlib: scores of real numbers hardly shrink further

_SCORES = ("axes", "components", "undefined", "numerical_error", "dtype", "shape", "scores")
"""The columns that are empty where a method has no scores."""

Measured = tuple[str, str]
"""(variant key, method)."""


class StoredInterpretations(NamedTuple):
    """What was measured in an audit, in the order of its plan."""

    scores: dict[Measured, Interpretation | Agreement]
    not_applicable: dict[Measured, NotApplicable]


def save_interpretation(
    session: Connection, audit_id: str, variant_key: str, method: str, found: Interpretation | Agreement | NotApplicable
) -> None:
    """Store the scores of one method on one variant, or why it has none; a second call replaces the first.

    Raises:
        UnstorableValueError: a score that is not marked undefined is not finite.
        StoreError: no reason, or scores that do not fit their axes.
    """
    row: dict[str, Any] = {"audit_id": audit_id, "variant_key": variant_key, "method": method}
    row |= {"equal_on": None, "largest_difference": None}
    if isinstance(found, Interpretation):
        row |= {"not_applicable": ""} | _packed(found)
    elif isinstance(found, Agreement):
        row |= {"not_applicable": "", "equal_on": found.sequences, "largest_difference": found.largest_difference}
        row |= dict.fromkeys(_SCORES)
    elif found.reason:
        row |= {"not_applicable": found.reason} | dict.fromkeys(_SCORES)
    else:
        raise StoreError(f"no reason why {method} has no scores for {variant_key}", expected="a reason")
    insert_or_replace(session, interpretation, row)


def measured_methods(session: Connection, audit_id: str, variant_key: str) -> frozenset[str]:
    """The methods whose result on a variant is stored already, scores or a reason."""
    query = select(interpretation.c.method).where(
        interpretation.c.audit_id == audit_id, interpretation.c.variant_key == variant_key
    )
    return frozenset(session.execute(query).scalars())


def load_interpretation(session: Connection, audit_id: str, variant_key: str, method: str) -> Interpretation | None:
    """The scores of one method on one variant; None when not measured or not applicable."""
    query = select(interpretation).where(
        interpretation.c.audit_id == audit_id,
        interpretation.c.variant_key == variant_key,
        interpretation.c.method == method,
    )
    row = session.execute(query).one_or_none()
    return None if row is None or row.scores is None else _unpacked(row)


def load_interpretations(session: Connection, audit_id: str) -> StoredInterpretations:
    """Everything measured in an audit so far.

    Raises:
        StoreError: stored scores are damaged.
    """
    stored = StoredInterpretations({}, {})
    rows = session.execute(select(interpretation).where(interpretation.c.audit_id == audit_id)).all()
    places = _places(session, audit_id)
    for row in sorted(rows, key=lambda row: (*places.get((row.variant_key, row.method), (-1, -1)), *_measured(row))):
        if row.largest_difference is not None:
            stored.scores[_measured(row)] = Agreement(row.equal_on, row.largest_difference)
        elif row.scores is None:
            stored.not_applicable[_measured(row)] = NotApplicable(row.not_applicable)
        else:
            stored.scores[_measured(row)] = _unpacked(row)
    return stored


def _measured(row: Row[Any]) -> Measured:
    return row.variant_key, row.method


def _places(session: Connection, audit_id: str) -> dict[Measured, tuple[int, int]]:
    """The place of each method of each variant in the plan: (cell, place in it)."""
    query = select(cell.c.position, cell.c.variant, cell.c.methods).where(cell.c.audit_id == audit_id)
    return {
        (row.variant, method): (row.position, place)
        for row in session.execute(query)
        for place, method in enumerate(row.methods)
    }


def _packed(scores: Interpretation) -> dict[str, Any]:
    values = np.ascontiguousarray(scores.values, dtype=_DTYPE)
    _require_defined(scores, values)
    return {
        "axes": list(scores.axes),
        "components": [component.coordinates for component in scores.components],
        "undefined": {str(index): reason for index, reason in scores.undefined.items()},
        "numerical_error": scores.numerical_error,
        "dtype": _DTYPE,
        "shape": list(values.shape),
        "scores": zlib.compress(values.tobytes(), _LEVEL),
    }


def _require_defined(scores: Interpretation, values: NDArray[np.float64]) -> None:
    """Not-a-number is a state with a reason: only components named undefined may have it; nothing may be infinite."""
    if len(scores.axes) != values.ndim:
        raise StoreError(
            f"{scores.method} names {len(scores.axes)} axes for an array of {values.ndim}", expected="one name per axis"
        )
    by_component = np.moveaxis(values, scores.axes.index(scores.component_axis), 0)
    if len(by_component) != len(scores.components):
        raise StoreError(
            f"{scores.method} has {len(by_component)} scores along its component axis",
            expected=f"one for each of its {len(scores.components)} components",
        )
    for index, component in enumerate(scores.components):
        allowed = np.isnan(by_component[index]) if index in scores.undefined else False
        if not np.all(np.isfinite(by_component[index]) | allowed):
            raise UnstorableValueError(
                f"{scores.method} gives {component.label} a score that is not finite",
                expected="finite scores, or NaN and a reason why it is undefined",
            )


def _unpacked(row: Row[Any]) -> Interpretation:
    dtype, shape = np.dtype(row.dtype), tuple(int(length) for length in row.shape)
    try:
        data = zlib.decompress(row.scores)
    except zlib.error as error:
        raise _damaged(row) from error
    if len(data) != math.prod(shape) * dtype.itemsize:
        raise _damaged(row)
    undefined: Mapping[str, str] = row.undefined
    return Interpretation(
        method=row.method,
        axes=tuple(row.axes),
        components=tuple(Component.from_json(coordinates) for coordinates in row.components),
        values=np.frombuffer(data, dtype=dtype).reshape(shape).astype(np.float64),
        undefined={int(index): reason for index, reason in undefined.items()},
        numerical_error=row.numerical_error,
    )


def _damaged(row: Row[Any]) -> StoreError:
    return StoreError(
        f"the stored scores of {row.method} on {row.variant_key} in audit {row.audit_id} are damaged",
        expected=f"{row.dtype} of shape {row.shape}",
        action="restore a backup or run the audit again",
    )
