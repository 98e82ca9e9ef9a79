"""Uploads: folders, descriptions, hostile files and forms, limits; nothing is left behind."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from fastapi.testclient import TestClient

from auditor import zoo
from cli.dashboard.api import models as models_route
from cli.dashboard.multipart import FIELD_BYTES, MOST_PARTS, NAME_BYTES
from cli.dashboard.uploads import AT_ONCE, Uploads, upload_folder
from tests.auditor.checkpoints.intake.hostile_files import MAKERS as HOSTILE
from tests.foreign import MAKERS
from tests.foreign.files import save

URL = "/api/v1/models"
BUNDLED = zoo.path("dyck2x4-1layer-minimal")


@pytest.fixture(autouse=True)
def _nothing_left(home: Path) -> Iterator[None]:
    yield
    left = [path for path in (home / "uploads").rglob("*") if path.name != ".lock" and path.is_file()]
    assert not left


def test_a_checkpoint_with_its_description(client: TestClient, tmp_path: Path) -> None:
    saved = save(MAKERS["torch_encoder"](0), tmp_path)
    files = {
        "file": ("a b.pth", saved.checkpoint.read_bytes()),
        "config": (saved.config.name, saved.config.read_bytes()),
        "reference": (saved.reference.name, saved.reference.read_bytes()),
    }
    stored = client.post(URL, files=files, data={"format": "torch_encoder"})
    assert stored.status_code == 201, stored.text
    assert stored.json()["model"]["name"] == "a b"
    del files["config"]
    assert client.post(URL, files=files).status_code == 422


@pytest.mark.slow
def test_a_folder(client: TestClient, tmp_path: Path) -> None:
    saved = save(MAKERS["huggingface_gpt2"](0), tmp_path)
    files: list[Any] = [("file", (one.name, one.read_bytes())) for one in sorted(saved.checkpoint.iterdir())]
    files.append(("config", (saved.config.name, saved.config.read_bytes())))
    stored = client.post(URL, files=files, data={"folder": "gpt2-small"})
    assert stored.status_code == 201, stored.text
    assert (stored.json()["model"]["name"], stored.json()["model"]["format"]) == ("gpt2-small", "huggingface_gpt2")


@pytest.mark.parametrize("name", ["pickle_calls_system", "pickle_calls_eval", "pickle_names_by_stack"])
def test_a_pickle_that_runs_code_is_refused(client: TestClient, tmp_path: Path, name: str) -> None:
    """The tests of the intake have many more."""
    canary, path = tmp_path / "canary", tmp_path / "model.params"
    HOSTILE[name](path, canary)
    refused = client.post(URL, files={"file": ("model.params", path.read_bytes())})
    assert refused.status_code == 422
    assert not canary.exists()
    assert "uploads" not in refused.text


@pytest.mark.parametrize(
    "name",
    ["../evil.pt", "/etc/passwd", "..", "a\\b.pt", "x" * (NAME_BYTES + 1), "a\x1b[31m.pt", "a\u202eb.pt"],
    ids=ascii,
)
def test_a_file_name_that_is_a_path(client: TestClient, name: str) -> None:
    body = f'--b\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\nx\r\n--b--\r\n'.encode()
    refused = client.post(URL, content=body, headers={"Content-Type": "multipart/form-data; boundary=b"})
    assert refused.status_code == 422
    assert refused.json()["expected"].endswith("without path")


def _part(text: str, body: str = "x") -> str:
    return f"--b\r\nContent-Disposition: form-data; {text}\r\n\r\n{body}\r\n"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("", 400),
        ("x", 400),
        (_part('name="file"; filename="a.pt"'), 400),
        (_part('name="colour"') + "--b--\r\n", 422),
        (_part('name="evil"; filename="a"') + "--b--\r\n", 422),
        ("--b\r\nNothing: x\r\n\r\nx\r\n--b--\r\n", 422),
        (_part('name="name"') + "--b--\r\n", 422),
        (2 * _part('name="file"; filename="a"') + "--b--\r\n", 422),
        (_part('name="name"', "x" * (FIELD_BYTES + 1)) + "--b--\r\n", 413),
        ((MOST_PARTS + 1) * _part('name="name"') + "--b--\r\n", 413),
        (_part('name="folder"', "../up") + _part('name="file"; filename="a"') + "--b--\r\n", 422),
        ("--b--\r\n", 422),
    ],
)
def test_forms_that_are_none(client: TestClient, body: str, status: int) -> None:
    refused = client.post(URL, content=body.encode(), headers={"Content-Type": "multipart/form-data; boundary=b"})
    assert refused.status_code == status, refused.text
    assert set(refused.json()) == {"found", "expected", "do"}


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data", "text/plain", ""])
def test_another_content_type(client: TestClient, kind: str) -> None:
    assert client.post(URL, content=b"{}", headers={"Content-Type": kind}).status_code == 415


def test_more_than_the_limit(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    declared = client.post(URL, content=b"x", headers={"Content-Length": str(models_route.UPLOAD_BYTES + 1)})
    assert declared.status_code == 413
    assert f"{models_route.UPLOAD_BYTES:,}" in declared.json()["expected"]
    monkeypatch.setitem(client.app.state.body_bytes, URL, 1_000)  # type: ignore[attr-defined]

    def pieces() -> Iterator[bytes]:
        yield _part('name="file"; filename="a"', "x" * 2_000).encode()

    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    assert client.post(URL, content=pieces(), headers=kind).status_code == 413
    assert client.post("/api/v1/audits", json={"model": "x" * 2_000_000}).status_code == 422
    assert client.post("/logout", content=b"x" * 1_100_000).status_code == 413


def test_too_many_at_once(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path)
    places = [uploads.place() for _ in range(AT_ONCE)]
    for one in places:
        one.__enter__()
    with pytest.raises(Exception, match="too many uploads"), uploads.place():
        pass
    for one in places:
        one.__exit__(None, None, None)
    with uploads.place() as place:
        assert place.is_dir()
    assert not list(tmp_path.iterdir())


def test_what_a_killed_server_left_is_removed_and_a_running_one_is_not_disturbed(tmp_path: Path) -> None:
    left = tmp_path / "uploads" / "old"
    left.mkdir(parents=True)
    (left / ".lock").touch()
    (left / "model.pt").write_bytes(b"x")
    with upload_folder(tmp_path) as first:
        assert not left.exists()
        with upload_folder(tmp_path) as second:
            assert first.folder.is_dir()
            assert first.folder != second.folder
    assert not (tmp_path / "uploads").exists()


def test_weights_that_are_not_finite(client: TestClient) -> None:
    data = io.BytesIO()
    torch.save({"weight": torch.tensor([float("nan")])}, data)
    refused = client.post(URL, files={"file": ("nan.pt", data.getvalue())})
    assert refused.status_code == 422
    assert json.dumps(refused.json()).isascii()
