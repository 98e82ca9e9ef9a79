"""Who computes for the server, and what happens when local workers end."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from auditor.errors import BrokerError
from auditor.settings import Settings
from cli.dashboard import computing
from cli.dashboard.computing import Computing

AWAY = "redis://127.0.0.1:1/0"


def _settings(home: Path, broker_url: str | None = None) -> Settings:
    home.mkdir()
    return Settings(home, f"sqlite:///{home / 'audits.sqlite3'}", broker_url)


def test_with_a_broker_its_workers_compute(tmp_path: Path) -> None:
    with Computing(_settings(tmp_path / "home", AWAY)) as found:
        assert found.broker_url == AWAY
        assert "broker" in found.by
        with pytest.raises(BrokerError, match="does not answer"):
            found.require_broker()


def test_without_workers_cells_wait(tmp_path: Path) -> None:
    with Computing(_settings(tmp_path / "home"), wanted=False) as found:
        assert found.broker_url is None
        assert "dyck-audit worker" in found.by
        found.require_broker()


@pytest.mark.slow
def test_local_workers_that_end_are_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(computing, "LOOK_SECONDS", 0.05)
    with Computing(_settings(tmp_path / "home")) as found:
        first = found.broker_url
        assert first is not None
        workers = found._workers
        assert workers is not None
        workers.worker.kill()
        workers.worker.wait()

        async def watch() -> None:
            with anyio.move_on_after(60):
                async with anyio.create_task_group() as group:
                    group.start_soon(found.watch)
                    while found.broker_url in (None, first):
                        await anyio.sleep(0.05)
                    while found.problem:
                        await anyio.sleep(0.05)
                    group.cancel_scope.cancel()

        anyio.run(watch)
        assert found.broker_url not in (None, first)
        assert not found.problem
        found.require_broker()
