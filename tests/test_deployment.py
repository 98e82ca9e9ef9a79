"""Dockerfile, compose.yaml and docs/operations.md name only what exists: files, commands, options, ports, variables."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import redis
import typer
import yaml

from auditor import settings
from auditor.store import MAX_ATTEMPTS, open_database
from auditor.store.engine import parse_url
from cli.main import app
from workers import health
from workers.app import HARD_LIMIT_SECONDS, SOFT_LIMIT_SECONDS
from workers.broker import check_broker_url
from workers.child_processes import kill, start
from workers.embedded_broker import _server_binary
from workers.heartbeat import BEAT_SECONDS, LEASE_SECONDS
from workers.metrics import Metrics
from workers.metrics_server import read_address
from workers.options import GRACE_SECONDS

ROOT = Path(__file__).parents[1]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OWN = {name: service for name, service in SERVICES.items() if "build" in service}
VARIABLES = {value for name, value in vars(settings).items() if name.endswith("_VARIABLE")}
IMAGE = re.compile(r"[a-z0-9-]+(/[a-z0-9-]+)?:[0-9]+[a-z0-9.-]*")
"""NAME:VERSION of the usual registry: no host, no floating version."""

BROKER_PORT, DATABASE_PORT = 6379, 5432


def _instructions() -> list[tuple[str, str]]:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    return [tuple(line.split(" ", 1)) for line in lines if line and not line.startswith("#")]  # type: ignore[misc]


def _of(instruction: str) -> list[str]:
    return [rest for name, rest in _instructions() if name == instruction]


def _list(text: str) -> list[str]:
    found: list[str] = yaml.safe_load(text)
    return found


def _parsed(words: list[str]) -> dict[str, Any]:
    """The values of the options of a command, by our own parser; it refuses what does not exist."""
    command, context = typer.main.get_command(app), None
    while True:
        context = command.make_context(command.name or "dyck-audit", list(words), parent=context)
        rest = [*context._protected_args, *context.args]
        if not hasattr(command, "resolve_command"):
            return dict(context.params)
        _, command, words = command.resolve_command(context, rest)


def _commands() -> dict[str, list[str]]:
    found = {name: service["command"] for name, service in OWN.items()}
    checks = {name: service.get("healthcheck", {}).get("test", []) for name, service in OWN.items()}
    return found | {f"{name}'s check": test[2:] for name, test in checks.items() if test}


@pytest.mark.parametrize("name", _commands())
def test_every_command_is_one_of_ours(name: str) -> None:
    _parsed(_commands()[name])


def test_a_command_that_is_none_of_ours_is_noticed() -> None:
    for words in (["wrok"], ["worker", "--helth", "live"], ["worker", "--health", "well"], ["db", "upgrad"]):
        with pytest.raises(typer.TyperException):
            _parsed(words)


def test_there_are_two_workers_with_names_that_are_asked_for_their_health() -> None:
    workers = {name: _parsed(one["command"]) for name, one in OWN.items() if one["command"][0] == "worker"}
    assert len(workers) == 2
    assert {given["hostname"] for given in workers.values()} == set(workers)
    for name, given in workers.items():
        assert SERVICES[name]["healthcheck"]["test"][:2] == ["CMD", "dyck-audit"]
        assert given["grace"] < float(SERVICES[name]["stop_grace_period"].removesuffix("s")) - 10
    assert OWN["dashboard"]["command"][0] == "serve"
    assert OWN["migrations"]["command"] == ["db", "upgrade"]


@pytest.mark.parametrize("name", OWN)
def test_the_settings_lead_to_the_servers_of_this_file(name: str) -> None:
    given = OWN[name]["environment"]
    assert set(given) <= VARIABLES
    database = parse_url(re.sub(r"\$\{[^}]*\}", "secret", given[settings.DATABASE_VARIABLE]))
    server = SERVICES["database"]["environment"]
    assert (database.host, database.port) == ("database", DATABASE_PORT)
    assert (database.username, database.database) == (server["POSTGRES_USER"], server["POSTGRES_DB"])
    assert "${POSTGRES_PASSWORD:?" in given[settings.DATABASE_VARIABLE]
    check_broker_url(given[settings.BROKER_VARIABLE])
    assert given[settings.BROKER_VARIABLE] == f"redis://broker:{BROKER_PORT}/0"


def test_ports_are_those_that_are_listened_on() -> None:
    for service in OWN.values():
        given = _parsed(service["command"])
        for published in service.get("ports", []):
            address, outside, inside = published.split(":")
            assert (address, outside, int(inside)) == ("127.0.0.1", inside, given["port"])
            assert given["host"] == "0.0.0.0"
        metrics = [str(read_address(given["metrics"])[1])] if given.get("metrics") else []
        assert service.get("expose", []) == metrics


def test_what_a_service_depends_on_is_there_and_says_when_it_is_ready() -> None:
    for service in SERVICES.values():
        for other, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[other]
            else:
                assert SERVICES[other]["restart"] == "no"
        for mounted in service.get("volumes", []):
            assert mounted.partition(":")[0] in COMPOSE["volumes"]


def test_images_are_plain_names() -> None:
    images = [service["image"] for service in SERVICES.values() if "build" not in service] + _of("FROM")
    assert len(images) == 3
    for image in images:
        assert IMAGE.fullmatch(image), image


def test_the_broker_starts_with_these_options_and_keeps_its_messages(tmp_path: Path) -> None:
    program, *options = SERVICES["broker"]["command"]
    assert program == "valkey-server"
    path = tmp_path / "s"
    here = ["--port", "0", "--unixsocket", str(path), "--dir", str(tmp_path)]
    process = start([str(_server_binary()), *options, *here])
    try:
        with redis.Redis(
            unix_socket_path=str(path), retry=redis.retry.Retry(redis.backoff.ConstantBackoff(0.05), 200)
        ) as client:
            assert client.info("persistence")["aof_enabled"] == 1
            assert client.info("memory")["maxmemory_policy"] == "noeviction"
    finally:
        kill(process)


class TestOperationsPage:
    PAGE = (ROOT / "docs" / "operations.md").read_text()

    def test_its_commands_and_options_exist(self) -> None:
        blocks = re.findall(r"^```\n(.*?)^```", self.PAGE, re.MULTILINE | re.DOTALL)
        typed = [line.split("#")[0].split() for block in blocks for line in block.splitlines()]
        ours = [words[1:] for words in typed if words[0] == "dyck-audit"]
        ours += [words[words.index("dashboard") + 1 :] for words in typed if "dashboard" in words]
        assert len(ours) > 10
        for words in ours:
            _parsed(words)

    def test_its_metrics_are_those_that_are_given(self, tmp_path: Path) -> None:
        url = f"sqlite:///{tmp_path / 'store.sqlite3'}"
        text = Metrics(open_database(url), tmp_path).text()
        given = set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))
        assert set(re.findall(r"^\| `(dyck_audit_\w+)`", self.PAGE, re.MULTILINE)) == given

    def test_its_numbers_are_those_of_the_program(self) -> None:
        assert f"lease of {LEASE_SECONDS:.0f} s that its worker extends every {BEAT_SECONDS:.0f} s" in self.PAGE
        assert f"`--grace` seconds ({GRACE_SECONDS:.0f})" in self.PAGE
        assert f"in the last {health.SILENT_SECONDS:.0f} s" in self.PAGE
        assert f"every {health.BEAT_SECONDS:.0f} s in its home" in self.PAGE
        assert (SOFT_LIMIT_SECONDS, HARD_LIMIT_SECONDS - SOFT_LIMIT_SECONDS, MAX_ATTEMPTS) == (7200, 300, 3)
        assert set(re.findall(r"^\| `(DYCK_AUDIT_\w+)`", self.PAGE, re.MULTILINE)) <= VARIABLES


class TestImage:
    def test_all_that_the_package_is_made_of_is_copied(self) -> None:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())
        copied = [word for rest in _of("COPY") for word in rest.split()[:-1]]
        for path in copied:
            assert (ROOT / path).exists(), path
        packages = {name.removesuffix("*") for name in project["tool"]["setuptools"]["packages"]["find"]["include"]}
        assert packages <= set(copied)
        assert {project["project"]["readme"], *project["project"]["license-files"]} <= set(copied)
        let_in = {line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().split() if line[0] == "!"}
        assert set(copied) == let_in

    def test_the_program_the_variables_and_the_python(self) -> None:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        assert _list(_of("ENTRYPOINT")[0]) == list(project["scripts"])
        given = dict(pair.split("=", 1) for rest in _of("ENV") for pair in rest.split())
        assert set(given) - {"OMP_NUM_THREADS"} <= VARIABLES
        assert [given[settings.HOME_VARIABLE]] == _of("VOLUME")
        assert f"python:{project['requires-python'].removeprefix('>=')}-slim" == _of("FROM")[0]
        assert _of("USER") == ["audit"]

    def test_its_shell_commands_are_shell(self) -> None:
        for command in _of("RUN"):
            assert subprocess.run(["sh", "-n", "-c", command], check=False).returncode == 0
