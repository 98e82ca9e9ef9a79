"""The numbers for a monitor at the web server: under its rule of access, the same as a worker's."""

from __future__ import annotations

from collections.abc import Callable

from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from auditor.store.tokens import Scope
from tests.cli.dashboard.conftest import bearer
from workers.metrics import CONTENT_TYPE


def test_a_monitor_reads_them_with_a_token(guarded: TestClient, token: Callable[[Scope], str]) -> None:
    assert guarded.get("/metrics").status_code in (303, 401)
    answer = guarded.get("/metrics", headers=bearer(token(Scope.READ)))
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, CONTENT_TYPE)
    found = {family.name: family for family in text_string_to_metric_families(answer.text)}
    audits = {sample.labels["state"]: sample.value for sample in found["dyck_audit_audits"].samples}
    assert (audits["done"], audits["failed"], audits["queued"]) == (2, 1, 1)


def test_on_this_machine_none_is_needed(client: TestClient) -> None:
    first, second = (client.get("/metrics") for _ in range(2))
    assert first.status_code == second.status_code == 200
