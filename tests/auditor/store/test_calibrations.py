"""Calibrations are found again by the versions and settings they were measured with, the newest first."""

from __future__ import annotations

from auditor.records import MeasuredRates, Rate, Rates
from auditor.store.calibrations import latest_calibration, save_calibration
from auditor.store.session import Database

RATE = Rate(0, 1, 0.0, (0.0, 0.975))
SETTINGS = {"versions": {"dyck-audit": "1"}, "alpha": 0.05}


def _measured(cases: int) -> MeasuredRates:
    rates = Rates(RATE, RATE, RATE)
    return MeasuredRates("dyck-audit/calibration/1", {}, cases, rates, {"method": {"zero": rates}}, {}, (), True, 1.0)


def test_the_newest_of_the_same_settings_is_found(database: Database) -> None:
    with database.transaction() as session:
        save_calibration(session, SETTINGS, _measured(1))
    with database.transaction() as session:
        newest = save_calibration(session, SETTINGS, _measured(2))
        save_calibration(session, {**SETTINGS, "alpha": 0.01}, _measured(3))
    with database.transaction(read_only=True) as session:
        found = latest_calibration(session, {"alpha": 0.05, "versions": {"dyck-audit": "1"}})
        assert latest_calibration(session, {**SETTINGS, "versions": {}}) is None
    assert found is not None
    assert (found.id, found.cases) == (newest, 2)
    assert found.created_at.startswith("20")
