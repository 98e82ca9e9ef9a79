"""A measuring cell with real methods: the group is stored method by method, and the time limit ends all of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded

from auditor.contracts import methods
from auditor.records import ORIGINAL, Cell, Stage
from auditor.store import Database, StoredAudit, load_interpretations, progress
from workers.cells import execute
from workers.owners import new_owner

NAMES = ("weights_ov_norm", "weights_qk_norm", "weights_o_norm")
KEY = "measure/original"

NewAudit = Callable[..., StoredAudit]


@pytest.fixture
def audit(new_audit: NewAudit) -> StoredAudit:
    """An audit of one cell."""
    return new_audit(cells=(Cell(KEY, Stage.MEASURE, methods=NAMES),))


def _raising(error: Exception) -> Callable[..., Any]:
    def interpret(*_: Any, **__: Any) -> Any:
        raise error

    return interpret


def _measured(database: Database, audit: StoredAudit) -> list[str]:
    with database.transaction() as session:
        return [method for key, method in load_interpretations(session, audit.id).scores if key == ORIGINAL]


def test_a_defect_in_one_method_costs_no_other_its_scores(
    database: Database, audit: StoredAudit, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(methods()[NAMES[1]], "interpret", _raising(ZeroDivisionError("once")))
        assert execute(database, audit.id, KEY, owner=new_owner()) == [(audit.id, KEY)]
    assert _measured(database, audit) == [NAMES[0], NAMES[2]]
    monkeypatch.setattr(methods()[NAMES[0]], "interpret", _raising(AssertionError("measured twice")))
    execute(database, audit.id, KEY, owner=new_owner())
    assert _measured(database, audit) == list(NAMES)
    with database.transaction() as session:
        assert progress(session, audit.id).done == 1


def test_the_time_limit_is_no_defect_of_a_method(
    database: Database, audit: StoredAudit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(methods()[NAMES[1]], "interpret", _raising(SoftTimeLimitExceeded()))
    with pytest.raises(SoftTimeLimitExceeded):
        execute(database, audit.id, KEY, owner=new_owner())
    assert _measured(database, audit) == []
