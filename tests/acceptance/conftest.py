"""Real servers, started from wheels by the tests, and real worker processes. Nothing need be installed.

Every server asks for a planted password; after each test nothing that is left may show a piece of one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from auditor.settings import Settings
from auditor.store import Database, StoredAudit, create_audit, open_database
from tests.acceptance.broker_server import with_password
from tests.acceptance.recovery import Computing
from tests.acceptance.worker_process import WorkerProcess, eventually, started_worker
from tests.conftest import RECOVERY
from tests.embedded_postgres import EmbeddedPostgres
from tests.planted import files_that_show_passwords, heard, shows_password
from tests.workers import standins
from workers.app import create_app
from workers.broker import count_workers
from workers.embedded_broker import embedded_broker
from workers.scheduling import dispatch
from workers.submission import submit_model


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Every test of this folder is of the acceptance tier; the long faults only run where they are asked for."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.acceptance)
    if "soak" not in config.option.markexpr:
        left_out = [item for item in items if item.get_closest_marker("soak")]
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)


@pytest.fixture(autouse=True)
def _no_password_is_left(tmp_path: Path) -> Iterator[None]:
    """After a test and all its processes: no file of its folder and nothing that was said shows a password."""
    heard.take_leaks()
    yield
    assert [str(file) for file in files_that_show_passwords(tmp_path)] == []
    assert heard.take_leaks() == []


@pytest.fixture
def postgres_url(postgres_server: EmbeddedPostgres) -> Iterator[str]:
    """The URL of an empty PostgreSQL database that no other test uses; its rows show no password at the end."""
    url = postgres_server.new_database()
    yield url
    assert not shows_password(postgres_server.dump(url))


@pytest.fixture
def recovered(record_property: Callable[[str, object], None]) -> Callable[[str, float], None]:
    """Notes for the table at the end how long it took until what a fault had hit was taken up again."""
    return lambda fault, seconds: record_property(RECOVERY, [fault, round(seconds, 1)])


@pytest.fixture
def broker_url() -> Iterator[str]:
    """A Valkey server on a Unix socket that no other test uses."""
    with embedded_broker() as broker:
        yield with_password(broker.url)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'audits.sqlite3'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def settings(tmp_path: Path, database_url: str, broker_url: str) -> Settings:
    """What the commands and workers of one test share."""
    return Settings(tmp_path / "home", database_url, broker_url)


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    """The database, with its tables."""
    opened = open_database(settings.database_url)
    yield opened
    opened.dispose()


@pytest.fixture
def new_worker(settings: Settings, tmp_path: Path) -> Iterator[Callable[..., WorkerProcess]]:
    """Starts real workers with replaced cells; each call of a cell takes ``seconds``."""
    with ExitStack() as stack:

        def start(
            *arguments: str, concurrency: int = 2, seconds: float = 0.3, more: Mapping[str, str] | None = None
        ) -> WorkerProcess:
            worker = started_worker(
                settings,
                journal=tmp_path / "journal",
                concurrency=concurrency,
                seconds=seconds,
                arguments=arguments,
                more=more,
            )
            return stack.enter_context(worker)

        yield start


@pytest.fixture
def new_audit(database: Database) -> Callable[..., StoredAudit]:
    """Stores an audit of stand-in cells without sending it."""

    def make(seed: int = 0) -> StoredAudit:
        model = submit_model(
            database, standins.small_model(), name="two-heads", format="native", source_sha256="0" * 64
        )
        with database.transaction() as session:
            return create_audit(
                session,
                model_id=model.id,
                plan=standins.PLAN.to_json(),
                plan_name="quick",
                seed=seed,
                cells=standins.MANY_CELLS,
                versions={},
            )

    return make


@pytest.fixture
def send(database: Database, broker_url: str) -> Callable[[StoredAudit], int]:
    """Sends the ready cells of an audit."""
    return lambda audit: dispatch(database, create_app(broker_url), audit.id)


@pytest.fixture
def computing(
    database: Database,
    broker_url: str,
    new_audit: Callable[..., StoredAudit],
    send: Callable[[StoredAudit], int],
    new_worker: Callable[..., WorkerProcess],
    recovered: Callable[[str, float], None],
) -> Callable[..., Computing]:
    """Starts workers and an audit, and waits until the first worker computes; options are those of ``new_worker``."""

    def begin(*arguments: str, workers: int = 1, **options: Any) -> Computing:
        audit = new_audit()
        started = [new_worker(*arguments, **options) for _ in range(workers)]
        if workers > 1:
            eventually(lambda: count_workers(broker_url) == workers, "all workers listen")
        send(audit)
        processes = options.get("concurrency", 2) if workers == 1 else 1
        eventually(lambda: len(started[0].begun()) >= processes, "the first worker computes")
        return Computing(database, audit, started, recovered)

    return begin
