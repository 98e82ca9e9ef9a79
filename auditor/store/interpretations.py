"""Scores as compressed arrays: measured on 256 float32 numbers, JSON took 5 times the bytes and 30 times the time."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Row, func, select

from auditor.errors import StoreError
from auditor.records import Component, Interpretation
from auditor.store.columns import UnstorableValueError
from auditor.store.schema import cell, interpretation
from auditor.store.upsert import insert_or_replace

_DTYPE = "<f8"

_LEVEL = 1  # of zlib: scores of real numbers hardly shrink further

Measured = tuple[str, str]
"""(variant key, method)."""


class StoredInterpretations(NamedTuple):
    """What was measured in an audit, in the order of its plan."""

    scores: dict[Measured, Interpretation]
    not_applicable: dict[Measured, str]  # why there are no scores


def save_interpretation(
    session: Connection,
    audit_id: str,
    variant_key: str,
    scores: Interpretation | None,
    *,
    method: str | None = None,
    not_applicable: str = "",
) -> None:
    """Store what one method says of one variant, or why it says nothing; a second time replaces the first.

    ``method`` may be left out where there are scores: they name it.

    Raises:
        UnstorableValueError: a score that is not marked undefined is not finite.
        StoreError: neither scores nor a reason with a method, or both.
    """
    name = scores.method if scores is not None else method
    if name is None or (scores is None) != bool(not_applicable):
        raise StoreError(
            f"an interpretation of {variant_key} without scores or without a reason",
            expected="scores, or the method and why it is not applicable",
        )
    row: dict[str, Any] = {
        "audit_id": audit_id,
        "variant_key": variant_key,
        "method": name,
        "not_applicable": not_applicable,
        "axes": None,
        "components": None,
        "undefined": None,
        "dtype": None,
        "shape": None,
        "scores": None,
    }
    if scores is not None:
        row |= _packed(scores)
    insert_or_replace(session, interpretation, row)


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
    measured_by = (
        (cell.c.audit_id == interpretation.c.audit_id)
        & (cell.c.variant == interpretation.c.variant_key)
        & (cell.c.method == interpretation.c.method)
    )
    query = (
        select(interpretation)
        .join_from(interpretation, cell, measured_by, isouter=True)
        .where(interpretation.c.audit_id == audit_id)
        .order_by(func.coalesce(cell.c.position, -1), interpretation.c.variant_key, interpretation.c.method)
    )
    stored = StoredInterpretations({}, {})
    for row in session.execute(query):
        if row.scores is None:
            stored.not_applicable[row.variant_key, row.method] = row.not_applicable
        else:
            stored.scores[row.variant_key, row.method] = _unpacked(row)
    return stored


def _packed(scores: Interpretation) -> dict[str, Any]:
    values = np.ascontiguousarray(scores.values, dtype=_DTYPE)
    _require_defined(scores, values)
    return {
        "axes": list(scores.axes),
        "components": [component.coordinates for component in scores.components],
        "undefined": {str(index): reason for index, reason in scores.undefined.items()},
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
    )


def _damaged(row: Row[Any]) -> StoreError:
    return StoreError(
        f"the stored scores of {row.method} on {row.variant_key} in audit {row.audit_id} are damaged",
        expected=f"{row.dtype} of shape {row.shape}",
        action="restore a backup or run the audit again",
    )
