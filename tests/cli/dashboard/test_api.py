"""The API answers with the documents of the commands, and changes what the commands change."""

from __future__ import annotations

import base64
import io
import json

import pytest
from fastapi.testclient import TestClient

from auditor import zoo
from auditor.store.audits import get_audit
from auditor.store.models import add_model
from auditor.store.session import Database
from tests.cli.conftest import ARCHITECTURE, Ids, Run

API = "/api/v1"
BUNDLED = zoo.path("dyck2x4-1layer-minimal")


@pytest.mark.parametrize(
    ("path", "command"),
    [
        ("/audits?limit=50", ("history",)),
        ("/audits?state=done&limit=1", ("history", "--state", "done", "--limit", "1")),
        ("/audits?verdict=unstable&sort=finished", ("history", "--verdict", "unstable", "--sort", "finished")),
        ("/diff?first=FIRST&second=SECOND", ("diff", "FIRST", "SECOND")),
        ("/diff?first=FIRST&second=SECOND&everything=true", ("diff", "FIRST", "SECOND", "--all")),
        ("/audits/FIRST/report", ("report", "FIRST", "--format", "json")),
    ],
)
def test_documents_are_those_of_the_commands(
    client: TestClient, run: Run, ids: Ids, path: str, command: tuple[str, ...]
) -> None:
    for word, audit in (("FIRST", ids.done), ("SECOND", ids.again)):
        path = path.replace(word, audit)
        command = tuple(audit if part == word else part for part in command)
    typed = run(*command) if command[0] == "report" else run(*command, "--json")
    found = client.get(API + path)
    assert found.status_code == 200
    assert found.json() == typed.document


def test_findings_are_those_of_the_command(client: TestClient, run: Run) -> None:
    typed = run("findings", "--verdict", "unstable", "--json").document["findings"]
    found = client.get(f"{API}/findings?verdict=unstable&limit=100").json()["findings"]
    assert typed
    assert [{name: one[name] for name in typed[0]} for one in found] == typed
    one = client.get(f"{API}/findings/{found[0]['audit']}/{found[0]['id']}").json()
    assert one["claim"] == found[0]["claim"]


def test_a_list_goes_on_where_its_page_ended(client: TestClient, ids: Ids) -> None:
    seen: list[str] = []
    after = ""
    while after is not None:
        answer = client.get(f"{API}/audits?limit=1&after={after}").json()
        seen += [audit["id"] for audit in answer["audits"]]
        after = answer["next"]
    assert sorted(seen) == sorted((ids.done, ids.again, ids.failed, ids.queued))


def test_models_are_those_of_the_command(client: TestClient, run: Run) -> None:
    assert client.get(f"{API}/models").json()["models"] == run("models", "list", "--json").document["models"]


def test_models_go_on_too(client: TestClient, ids: Ids, database: Database) -> None:
    with database.transaction() as session:
        other = add_model(
            session, name="other", format="native", source_sha256="cd" * 32, architecture=ARCHITECTURE,
            task={"brackets": 2, "depth": 4}, weights=b"others", parameters=1,
        )  # fmt: skip
    first = client.get(f"{API}/models?limit=1").json()
    second = client.get(f"{API}/models?limit=1&after={first['next']}").json()
    assert {first["models"][0]["id"], second["models"][0]["id"]} == {ids.model, other.id}
    assert second["next"] is None
    assert client.get(f"{API}/models?after=m0").status_code == 422
    assert client.get(f"{API}/models/{ids.model}").json()["audits"]


def test_an_audit_is_shown_by_its_id_and_latest(client: TestClient, ids: Ids) -> None:
    assert client.get(f"{API}/audits/latest").json()["audit"]["id"] == ids.queued
    shown = client.get(f"{API}/audits/{ids.failed}").json()
    assert shown["failed"] > 0
    assert "the plan cannot run" in shown["audit"]["error"]


def test_a_report_as_parquet(client: TestClient, ids: Ids) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    found = client.get(f"{API}/audits/{ids.done}/report?format=parquet")
    rows = client.get(f"{API}/findings?audit={ids.done}&limit=1000").json()["findings"]
    assert parquet.read_table(io.BytesIO(found.content)).column("id").to_pylist() == [row["id"] for row in rows]


@pytest.mark.parametrize(
    ("form", "media", "start"),
    [("html", "text/html", "<!DOCTYPE html>"), ("csv", "text/csv", "id,"), ("markdown", "text/markdown", "#")],
)
def test_forms_of_a_report(client: TestClient, ids: Ids, form: str, media: str, start: str) -> None:
    found = client.get(f"{API}/audits/{ids.done}/report?format={form}")
    assert found.headers["Content-Type"].startswith(media)
    assert found.text.lstrip().startswith(start)
    policy = found.headers["Content-Security-Policy"]
    assert ("sandbox" in policy and "'sha256-" in policy) if form == "html" else "script-src 'self'" in policy
    assert "unsafe-inline" not in policy


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/audits/none", 404, "dyck-audit history"),
        ("/audits/a", 409, "more than one"),
        ("/audits/QUEUED/report", 404, "dyck-audit watch"),
        ("/audits?stat=done", 422, "state"),
        ("/audits?state=don", 422, "done"),
        ("/audits?limit=0", 422, "whole number"),
        ("/audits?after=a0", 422, "first page"),
        ("/audits?since=yesterday", 422, "12h"),
        ("/findings?method=ablation_head_zer", 422, "ablation_head_zero"),
        ("/findings?layer=-1", 422, "whole number"),
        ("/findings?min_effect=nan", 422, "finite"),
        ("/models/none", 404, "models list"),
        ("/models?limit=10000", 422, "limit"),
        ("/diff", 422, "first"),
        ("/diff?first=QUEUED", 404, "baseline"),
        ("/diff?first=QUEUED&second=QUEUED", 404, "dyck-audit watch"),
        ("/no-such-thing", 404, "no such"),
    ],
)
def test_refusals(client: TestClient, ids: Ids, path: str, status: int, said: str) -> None:
    refused = client.get(API + path.replace("QUEUED", ids.queued))
    assert refused.status_code == status, refused.text
    assert said in json.dumps(refused.json())
    assert set(refused.json()) == {"found", "expected", "do"}


def test_status_and_catalogue(client: TestClient) -> None:
    assert client.get(API).json() == {"program": "dyck-audit", "api": 1}
    status = client.get(f"{API}/status").json()
    assert (status["models"], status["audits"]["done"], status["scope"]) == (1, 2, "admin")
    for kind in ("methods", "equivalences", "plans"):
        assert client.get(f"{API}/{kind}").json()["entries"]
    assert "/api/v1/audits" in client.get(f"{API}/openapi.json").json()["paths"]


def test_upload_and_start(client: TestClient, database: Database) -> None:
    uploaded = client.post(f"{API}/models", files={"file": ("mine.safetensors", BUNDLED.read_bytes())})
    assert uploaded.status_code == 201, uploaded.text
    model = uploaded.json()["model"]
    assert model["name"] == "mine"
    assert uploaded.headers["Location"] == f"{API}/models/{model['id']}"
    started = client.post(f"{API}/audits", json={"model": model["id"], "seed": 3})
    assert started.status_code == 201, started.text
    audit = started.json()["audit"]
    with database.transaction(read_only=True) as session:
        stored = get_audit(session, audit["id"])
    assert (stored.state, stored.seed, stored.plan_name, stored.model_id) == ("queued", 3, "quick", model["id"])
    again = client.post(f"{API}/audits", json={"model": model["id"], "seed": 3, "reuse": True}).json()
    assert (again["is_new"], again["audit"]["id"]) == (False, audit["id"])


def test_settings_and_strings_of_ones_own(client: TestClient, database: Database) -> None:
    model = client.post(f"{API}/models", files={"file": ("m.safetensors", BUNDLED.read_bytes())}).json()["model"]
    settings = {"base": "quick", "sequences": 8, "certificate_sequences": 20}
    lines = "".join(f"{'(a a)' * count}\n" for count in range(1, 16)) + "".join(
        f"{'(b b)' * count}\n" for count in range(1, 16)
    )
    content = base64.b64encode(lines.encode()).decode()
    wanted = {"model": model["id"], "plan": "small", "settings": settings}
    plain = client.post(f"{API}/audits", json=wanted).json()["audit"]
    assert (plain["plan_name"], plain["plan"]["sequences"]) == ("small", 8)
    few = client.post(f"{API}/audits", json={**wanted, "strings": {"name": "few.txt", "content": content}})
    assert few.status_code == 422
    assert "few.txt: 30 distinct strings" in few.json()["found"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"plan": "enormous"}, "quick, standard, full"),
        ({"plan": "/etc/passwd"}, "unknown plan"),
        ({"plan": "plan.toml"}, "unknown plan"),
        ({"plan": "mine", "settings": {"colour": "red"}}, "colour"),
        ({"plan": "mine", "settings": {"sequences": 1e99}}, "sequences"),
        ({"plan": "mine", "settings": {"sequences": True}}, "sequences = True"),
        ({"plan": "mine", "settings": {"methods": [["x"]]}}, "settings"),
        ({"plan": "mine", "settings": {"look": 1}}, "--decide"),
        ({"seed": -1}, "seed"),
        ({"colour": "red"}, "colour"),
        ({"strings": {"name": "../x", "content": ""}}, "without path"),
        ({"strings": {"name": "x", "content": "?"}}, "content"),
        ({"model": "none"}, "no model"),
    ],
    ids=str,
)
def test_audits_that_cannot_start(client: TestClient, ids: Ids, changes: dict[str, object], said: str) -> None:
    refused = client.post(f"{API}/audits", json={"model": ids.model, **changes})
    assert refused.status_code in (404, 422), refused.text
    assert said in json.dumps(refused.json())


def test_a_document_that_is_nested_too_deeply(client: TestClient) -> None:
    for depth in (900, 100_000):
        body = '{"model": "x", "settings": {"a": ' + "[" * depth + "]" * depth + "}}"
        refused = client.post(f"{API}/audits", content=body, headers={"Content-Type": "application/json"})
        assert refused.status_code in (400, 422)


def test_cancel_retry_and_remove_take_whole_ids(client: TestClient, ids: Ids) -> None:
    for path in ("latest/cancel", f"{ids.queued[:-1]}/cancel", "latest/retry"):
        assert client.post(f"{API}/audits/{path}").json()["expected"] == "a whole id"
    assert client.post(f"{API}/audits/{ids.queued}/cancel").json()["audit"]["state"] == "cancelled"
    assert client.post(f"{API}/audits/{ids.queued}/retry").json()["cells"] == 1
    assert client.post(f"{API}/audits/{ids.done}/retry").status_code == 409
    assert client.delete(f"{API}/audits/{ids.queued}").status_code == 409
    assert client.delete(f"{API}/audits/latest").status_code == 404
    assert client.delete(f"{API}/audits/{ids.done}").json() == {"id": ids.done}
    assert client.get(f"{API}/audits/{ids.done}").status_code == 404


def test_a_model_goes_with_its_audits_only_if_asked(client: TestClient, ids: Ids) -> None:
    assert client.delete(f"{API}/models/dyck-two-heads").status_code == 404
    assert client.delete(f"{API}/models/{ids.model}").status_code == 409
    client.post(f"{API}/audits/{ids.queued}/cancel")
    assert client.delete(f"{API}/models/{ids.model}?with_audits=true").json() == {"id": ids.model}
    assert client.get(f"{API}/audits").json()["audits"] == []
