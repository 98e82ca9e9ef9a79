"""Rows first, then messages; asked twice, stored once."""

from __future__ import annotations

from dataclasses import replace

import pytest
from celery import Celery

from auditor.errors import BrokerError, NotFoundError
from auditor.fingerprint.function import function_fingerprint
from auditor.plans.plan import PLANS
from auditor.records import AuditState
from auditor.store import Database, StoredModel, cancel_audit, list_audits, list_models, ready_cells
from tests.workers import standins
from workers.app import create_app
from workers.embedded_broker import embedded_broker
from workers.queued import queued_cells
from workers.submission import send_audit, submit_audit, submit_model

PLAN = replace(PLANS["quick"], methods=("weights_ov_norm",), equivalences=("exact_head_permutation",), exact_variants=1)
AWAY = "redis://127.0.0.1:1/0"


def test_the_same_model_is_stored_once(database: Database, model: StoredModel) -> None:
    again = submit_model(database, standins.small_model(), name="another name", format="native", source_sha256="1" * 64)
    assert again == model
    with database.transaction() as session:
        assert len(list_models(session)) == 1
    assert model.parameters == sum(p.numel() for p in standins.small_model().parameters())


def test_a_stored_model_carries_the_fingerprint_of_its_function(database: Database, model: StoredModel) -> None:
    assert model.function_fingerprint == function_fingerprint(standins.small_model())


def test_an_audit_without_a_broker_is_stored_and_waits(database: Database, model: StoredModel) -> None:
    submitted = submit_audit(database, model.id, PLAN, seed=3, label="first")
    audit = submitted.audit
    assert submitted.is_new
    assert (audit.state, audit.seed, audit.label, audit.plan) == (AuditState.QUEUED, 3, "first", PLAN.to_json())
    assert audit.versions["dyck-audit"]
    with database.transaction() as session:
        assert "behaviour" in [key for _, key in ready_cells(session, audit.id)]


def test_an_audit_with_a_broker_is_sent(database: Database, model: StoredModel) -> None:
    with embedded_broker() as broker:
        audit = submit_audit(database, model.id, PLAN, broker_url=broker.url).audit
        with database.transaction() as session:
            ready = ready_cells(session, audit.id)
        app = create_app(broker.url)
        assert len(queued_cells(app)) == len(ready) > 0
        app.close()


def test_reuse_finds_the_same_request_and_only_that(database: Database, model: StoredModel) -> None:
    first = submit_audit(database, model.id, PLAN).audit
    assert submit_audit(database, model.id, PLAN, reuse=True).audit.id == first.id
    assert not submit_audit(database, model.id, PLAN, reuse=True).is_new
    assert submit_audit(database, model.id, PLAN, seed=1, reuse=True).is_new
    assert submit_audit(database, model.id, replace(PLAN, alpha=0.1), reuse=True).is_new
    assert submit_audit(database, model.id, PLAN).is_new


def test_a_cancelled_audit_is_not_reused(database: Database, model: StoredModel) -> None:
    first = submit_audit(database, model.id, PLAN).audit
    with database.transaction() as session:
        cancel_audit(session, first.id)
    assert submit_audit(database, model.id, PLAN, reuse=True).is_new


def test_with_the_broker_down_the_rows_stay_and_the_message_has_the_command_to_type(
    database: Database, model: StoredModel
) -> None:
    with pytest.raises(BrokerError, match=r"is stored, but the broker .*`dyck-audit worker`") as refused:
        submit_audit(database, model.id, PLAN, broker_url=AWAY)
    with database.transaction() as session:
        (audit,) = list_audits(session).rows
        assert ready_cells(session, audit.id)
    assert audit.id in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_url_that_is_no_broker_stores_nothing(database: Database, model: StoredModel) -> None:
    with pytest.raises(BrokerError):
        submit_audit(database, model.id, PLAN, broker_url="http://localhost")
    with database.transaction() as session:
        assert list_audits(session).rows == ()


def test_a_model_that_does_not_exist_stores_nothing(database: Database) -> None:
    with pytest.raises(NotFoundError):
        submit_audit(database, "m0", PLAN)
    with database.transaction() as session:
        assert list_audits(session).rows == ()


def test_sending_what_is_over_sends_nothing(
    database: Database, model: StoredModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    audit = submit_audit(database, model.id, PLAN).audit
    with database.transaction() as session:
        cancel_audit(session, audit.id)
    monkeypatch.setattr(Celery, "send_task", lambda *_, **__: pytest.fail("sent"))
    assert send_audit(database, audit.id, AWAY) == 0
