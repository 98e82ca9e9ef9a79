"""Calibrations are found again by the versions and settings they were measured with, the newest first."""

from __future__ import annotations

from auditor.store.calibrations import latest_calibration, save_calibration
from auditor.store.session import Database

SETTINGS = {"versions": {"dyck-audit": "1"}, "alpha": 0.05}


def test_the_newest_of_the_same_settings_is_found(database: Database) -> None:
    with database.transaction() as session:
        save_calibration(session, SETTINGS, {"cases": 1})
    with database.transaction() as session:
        newest = save_calibration(session, SETTINGS, {"cases": 2})
        save_calibration(session, {**SETTINGS, "alpha": 0.01}, {"cases": 3})
    with database.transaction(read_only=True) as session:
        found = latest_calibration(session, {"alpha": 0.05, "versions": {"dyck-audit": "1"}})
        assert latest_calibration(session, {**SETTINGS, "versions": {}}) is None
    assert found is not None
    assert (found["id"], found["cases"]) == (newest, 2)
    assert found["created_at"].startswith("20")
