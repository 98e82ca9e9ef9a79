"""No command, error, traceback or log shows a piece of a password; the wrong part of a URL is named."""

from __future__ import annotations

import io
import logging
from pathlib import Path

import pytest
from typer.testing import CliRunner

from auditor.errors import AuditorError
from cli.main import app
from tests.cli.conftest import Run
from workers.cells import one_line
from workers.logs import hide_passwords

pytestmark = pytest.mark.slow

BUNDLED = "zoo:dyck2x4-2layer-2head"
PASSWORDS = ("p@geheim/w%rd", "geheim@1:2", "geheim:x/y", "#geheim?", "[geheim", "%40geheim")
COMMANDS = (
    ("history",),
    ("doctor",),
    ("db", "current"),
    ("submit", BUNDLED),
    ("worker",),
    ("history", "--verbose"),
    ("doctor", "--json"),
)


def printed(run: Run, *arguments: object) -> str:
    ended = run(*arguments)
    assert ended.code == 1
    assert "unexpected" not in ended.stderr
    return ended.stdout + ended.stderr


@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "mysql"])
def test_a_database_url(run: Run, home: Path, scheme: str, password: str) -> None:
    for command in COMMANDS if scheme == "postgresql" and password == PASSWORDS[0] else COMMANDS[-2:]:
        said = printed(run, "--database-url", f"{scheme}://u:{password}@127.0.0.1:1/db", *command)
        assert "geheim" not in said
        assert "w%" not in said
        if "@" in password and scheme != "mysql":
            assert "percent-encode @ : / in the password" in said
    assert not home.exists()


@pytest.mark.parametrize("password", PASSWORDS)
def test_a_broker_url(run: Run, home: Path, password: str) -> None:
    for command in (("submit", BUNDLED), ("worker", "--verbose"), ("retry", "latest")):
        said = printed(run, "--broker-url", f"redis://u:{password}@127.0.0.1:1/0", *command)
        assert "geheim" not in said
        if set("/#?[") & set(password):
            assert "percent-encode @ : / in the password" in said
    assert not home.exists()


@pytest.mark.parametrize(
    "arguments", [("history", "redis://u:geheim@h"), ("inspect", "redis://u:ge heim@h"), ("show", "redis://u:geheim@h")]
)
def test_a_url_in_the_wrong_place(run: Run, arguments: tuple[str, ...]) -> None:
    assert "heim" not in run(*arguments).stderr


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ("ssl_cert_reqs=CERT_NONE", "none, optional or required"),
        ("ssl_cert_reqs=Required", "none, optional or required"),
        ("ssl_cert_reqs=", "none, optional or required"),
        ("ssl_ca_certs=/nowhere/ca.pem", "a file that is there"),
        ("ssl_certfile=/nowhere/c.pem&ssl_password=geheim", "a file that is there"),
        ("ssl_ca_path=/nowhere", "a folder that is there"),
        ("ssl_min_version=new", "ssl_min_version"),
        ("colour=red", "colour"),
    ],
)
@pytest.mark.parametrize("command", [("submit", BUNDLED), ("worker",), ("doctor",)], ids=lambda words: words[0])
def test_a_wrong_option_is_named_and_the_error_is_not_put_on_the_server(
    run: Run, home: Path, options: str, named: str, command: tuple[str, ...]
) -> None:
    said = printed(run, "--broker-url", f"rediss://:geheim@127.0.0.1:1/0?{options}", *command)
    assert options.split("=", maxsplit=1)[0] in said
    assert named in said
    assert "does not answer" not in said
    assert "geheim" not in said
    assert not home.exists()


def test_options_of_tls_in_a_url_without_it(run: Run) -> None:
    assert "rediss://" in run("--broker-url", "redis://h:1/0?ssl_cert_reqs=none", "submit", BUNDLED).refusal


def test_with_right_options_the_error_is_that_of_the_server(run: Run) -> None:
    said = run("--broker-url", "rediss://127.0.0.1:1/0?ssl_cert_reqs=none", "submit", BUNDLED).refusal
    assert "does not answer" in said


def test_the_stored_error_of_a_cell_has_no_password() -> None:
    stored = one_line(OSError("postgresql://u:p@ss/w@host/db\ncannot be used"))
    assert stored == "OSError: postgresql://u:***@host/db cannot be used"


def test_a_worker_logs_no_password() -> None:
    written = io.StringIO()
    logger = logging.Logger("worker")
    logger.addHandler(logging.StreamHandler(written))
    hide_passwords(logger, ("geheim",))
    hide_passwords(logger, ("geheim",))
    try:
        raise OSError("postgresql://u:p@ss/w@host/db cannot be used with geheim")
    except OSError as error:
        logger.error("cell of redis://:pw@h failed", exc_info=error)
    assert "redis://:***@h failed" in written.getvalue()
    assert "postgresql://u:***@host/db cannot be used with ***" in written.getvalue()
    assert not {"p@ss", "geheim", ":pw@"} & set(written.getvalue().split())


def test_a_defect_shows_none_of_what_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    def break_down(*_: object, **__: object) -> None:
        raise AuditorError("broken") from ValueError("port 'geheim@1:2' and redis://u:geheim@1:2@h")

    monkeypatch.setattr("auditor.settings.read_settings", break_down)
    ended = CliRunner().invoke(app, ["history", "--verbose", "--broker-url", "redis://u:geheim@1:2@h"])
    assert "Traceback" in ended.stderr
    assert "geheim@1:2" not in ended.stderr
