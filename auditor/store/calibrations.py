"""Calibrations: the error rates that were measured, by the versions and settings they hold for."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, insert, select

from auditor.records import CalibrationFacts, Json, MeasuredRates
from auditor.store.clock import database_now
from auditor.store.digests import digest
from auditor.store.ids import new_id
from auditor.store.schema import calibration


def save_calibration(session: Connection, holds_for: Mapping[str, Json], measured: MeasuredRates) -> str:
    """Keep the rates; the new id. ``holds_for`` are the versions and settings of audits that they describe."""
    calibration_id = new_id("c")
    session.execute(
        insert(calibration).values(
            id=calibration_id, request=digest(holds_for), body=measured.to_json(), created_at=database_now(session)
        )
    )
    return calibration_id


def latest_calibration(session: Connection, holds_for: Mapping[str, Json]) -> CalibrationFacts | None:
    """The newest rates measured with these versions and settings; None without any."""
    query = (
        select(calibration)
        .where(calibration.c.request == digest(holds_for))
        .order_by(calibration.c.created_at.desc(), calibration.c.id)
        .limit(1)
    )
    row = session.execute(query).one_or_none()
    if row is None:
        return None
    return CalibrationFacts.from_json({**row.body, "id": row.id, "created_at": row.created_at.isoformat()})
