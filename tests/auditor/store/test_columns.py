"""What the two databases would treat differently reaches neither."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from sqlalchemy import insert, select, update

from auditor.errors import StoreError
from auditor.records import ClassifierMetrics
from auditor.store import Database, StoredAudit, StoredModel, UnstorableValueError, add_model, get_audit, save_behaviour
from auditor.store.columns import require_clean_json
from auditor.store.results import load_behaviour
from auditor.store.schema import audit as audits
from auditor.store.schema import blob, finding
from tests.auditor.store.samples import BEHAVIOUR


@pytest.mark.parametrize(
    ("document", "offence"),
    [
        ({"a": [1.0, {"b": math.nan}]}, r"value\.a\[1\]\.b is nan"),
        ({"a": math.inf}, r"value\.a is inf"),
        (-math.inf, "value is -inf"),
        ({"a": "x\x00y"}, r"value\.a holds a NUL character"),
        ({"a": "\ud800"}, r"value\.a holds a lone surrogate"),
        ({"a\x00": 1}, r"value has the key 'a\\x00'"),
        ({1: "a"}, "value has the key 1"),
        ({"a": np.int64(1)}, r"value\.a is a int64"),
        ({"a": {1, 2}}, r"value\.a is a set"),
    ],
)
def test_odd_documents_are_refused_with_their_path(document: object, offence: str) -> None:
    with pytest.raises(UnstorableValueError, match=offence):
        require_clean_json(document)


@pytest.mark.parametrize("document", [None, True, 0, -0.0, 1e-300, "é 😀 \\u0000", [], {"a": [{"b": ()}]}])
def test_plain_documents_pass(document: object) -> None:
    require_clean_json(document)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_no_number_that_is_not_finite_reaches_a_column(database: Database, audit: StoredAudit, value: float) -> None:
    row = {"audit_id": audit.id, "id": "f1", "position": 0, "method": "zero", "equivalence": "e", "layer": 0}
    with pytest.raises(StoreError, match="not finite"), database.transaction() as session:
        session.execute(insert(finding).values({**row, "effect": value, "verdict": "stable", "body": {}}))
    with pytest.raises(StoreError, match=r"value\.in_distribution\.accuracy is"), database.transaction() as session:
        save_behaviour(session, audit.id, replace(BEHAVIOUR, in_distribution=ClassifierMetrics(value, 0, 1)))
    with database.transaction() as session:
        assert session.execute(select(finding.c.id)).all() == []
        assert load_behaviour(session, audit.id) is None


def test_no_nul_reaches_a_column(database: Database, stored_model: StoredModel) -> None:
    with pytest.raises(StoreError, match="NUL"), database.transaction() as session:
        add_model(
            session,
            name="two\x00heads",
            format="native",
            source_sha256="0",
            architecture={},
            task={},
            weights=b"other",
            parameters=0,
        )
    with pytest.raises(StoreError, match="NUL"), database.transaction() as session:
        get_audit(session, "a\x00")
    with database.transaction() as session:
        assert len(session.execute(select(blob.c.sha256)).all()) == 1  # the stored model's


def test_a_document_comes_back_as_it_went_in(database: Database, audit: StoredAudit) -> None:
    """Key order and the kinds of numbers too, on both databases."""
    document = {
        "zebra": 1.0,
        "ant": 10**20,
        "text": "é 😀 \\u0000",
        "tiny": 5e-324,
        "big": 1e22,
        "none": None,
        "list": [{}],
    }
    with database.transaction() as session:
        session.execute(update(audits).where(audits.c.id == audit.id).values(behaviour=document))
        found = session.execute(select(audits.c.behaviour).where(audits.c.id == audit.id)).scalar_one()
    assert repr(found) == repr(document)


def test_times_come_back_in_utc(database: Database) -> None:
    moment = datetime(2026, 3, 29, 2, 30, 0, 123456, tzinfo=timezone(timedelta(hours=5)))
    row = {"sha256": "0", "media_type": "x", "size": 0, "data": b""}
    with database.transaction() as session:
        session.execute(insert(blob).values({**row, "created_at": moment}))
        found = session.execute(select(blob.c.created_at)).scalar_one()
        earlier = select(blob.c.sha256).where(blob.c.created_at < moment + timedelta(microseconds=1))
        assert session.execute(earlier).scalars().all() == ["0"]
    assert found == moment
    assert found.tzinfo is UTC
    naive = datetime(2026, 3, 29)  # noqa: DTZ001 - the point
    with pytest.raises(StoreError, match="no time zone"), database.transaction() as session:
        session.execute(insert(blob).values({**row, "sha256": "1", "created_at": naive}))
