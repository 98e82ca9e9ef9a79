"""Opening databases, transactions, and errors in one line."""

from __future__ import annotations

import multiprocessing
import pickle  # noqa: TID251 - errors cross process borders by it
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from auditor.errors import RevisionError, StoreError
from auditor.store import Database, StoredModel, engine, list_models, open_database
from auditor.store.revisions import head
from tests.embedded_postgres import EmbeddedPostgres


def _rename(database: Database, name: str, *, then: str = "SELECT 1") -> None:
    with database.transaction() as session:
        session.execute(text("UPDATE model SET name = :name"), {"name": name})
        session.execute(text(then))


def _names(database: Database) -> list[str]:
    with database.transaction(read_only=True) as session:
        return [model.name for model in list_models(session)]


def test_a_new_sqlite_file_gets_its_tables_and_its_folder_only_where_that_is_meant(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new' / 'folder' / 'store.sqlite3'}"
    with pytest.raises(StoreError, match=r"there is no folder .*expected an existing folder"):
        open_database(url)
    assert not (tmp_path / "new").exists()
    database = open_database(url, make_folder=True)
    assert _names(database) == []
    database.dispose()
    again = open_database(url, create=False)
    assert _names(again) == []
    again.dispose()


def test_an_empty_postgres_database_gets_its_tables(postgres_url: str) -> None:
    database = open_database(postgres_url)
    assert _names(database) == []
    database.dispose()


def test_a_missing_file_is_made_only_on_request(tmp_path: Path) -> None:
    file = tmp_path / "store.sqlite3"
    with pytest.raises(StoreError, match=r"there is no database at .*db upgrade"):
        open_database(f"sqlite:///{file}", create=False)
    assert not file.exists()


def test_another_revision_names_the_command_to_type(database: Database, url: str) -> None:
    with database.transaction() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '20000101_older'"))
    with pytest.raises(
        RevisionError, match=f"20000101_older; expected revision {head()}; type `dyck-audit db upgrade`"
    ):
        open_database(url)
    with database.transaction() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '29990101_newer'"))
    with pytest.raises(RevisionError, match="newer dyck-audit"):
        open_database(url)


def test_a_database_of_another_program_is_not_changed(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'other.sqlite3'}")
    with database.transaction() as session:
        session.execute(text("CREATE TABLE bookmarks (id INTEGER)"))
    with pytest.raises(RevisionError, match="at revision none"):
        open_database(f"sqlite:///{tmp_path / 'other.sqlite3'}")
    with database.transaction() as session:
        tables = session.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'")).scalars().all()
    assert tables == ["bookmarks"]
    database.dispose()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("no url", "cannot be read"),
        ("postgresql://reader@127.0.0.1:notaport/name", "cannot be read"),
        ("mysql://localhost/x", "names mysql; expected sqlite:///FILE or postgresql://"),
        ("sqlite://", "in memory"),
        ("sqlite:///:memory:", "in memory"),
    ],
)
def test_other_urls_are_refused(url: str, message: str) -> None:
    with pytest.raises(StoreError, match=message):
        Database(url)


def test_an_unreachable_server_is_one_line_without_the_password(tmp_path: Path) -> None:
    database = Database(f"postgresql://me:secret@/x?host={tmp_path}")
    with pytest.raises(StoreError, match="doctor") as caught, database.transaction():
        pass
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "secret" not in database.url


def test_a_file_that_is_no_database_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "store.sqlite3"
    file.write_bytes(b"not a database, but long enough to look at" * 100)
    with pytest.raises(StoreError, match="file is not a database"):
        open_database(f"sqlite:///{file}")


def test_a_transaction_that_raises_leaves_nothing(database: Database, stored_model: StoredModel) -> None:
    with pytest.raises(StoreError, match="nowhere"):
        _rename(database, "changed", then="SELECT * FROM nowhere")
    assert _names(database) == [stored_model.name]


def test_a_reader_does_not_wait_for_a_writer(database: Database, stored_model: StoredModel) -> None:
    with database.transaction() as session:
        session.execute(text("UPDATE model SET name = 'changed'"))
        assert _names(database) == [stored_model.name]
    assert _names(database) == ["changed"]


def test_a_reader_cannot_write_on_postgres(postgres_server: EmbeddedPostgres) -> None:
    database = open_database(postgres_server.new_database())
    with (
        pytest.raises(StoreError, match="read-only"),
        database.transaction(read_only=True) as session,
    ):
        session.execute(text("DELETE FROM model"))
    _rename(database, "the next transaction on that connection writes")
    database.dispose()


def test_a_writer_that_rests_too_long_on_postgres_holds_up_no_other(
    postgres_server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that is suspended in the middle of a transaction, or whose machine has lost its power."""
    monkeypatch.setattr(engine, "IDLE_SECONDS", 0.2)
    first, second = (Database(url) for url in [postgres_server.new_database()] * 2)
    with first.transaction() as session:
        session.execute(text("CREATE TABLE shared AS SELECT '' AS writer"))
    with pytest.raises(StoreError, match="idle-in-transaction"):
        _write_and_rest(first, while_resting=lambda: _write(second, "second"))
    with first.transaction(read_only=True) as session:
        time.sleep(0.5)  # a reader may rest
        assert session.execute(text("SELECT writer FROM shared")).scalar_one() == "second"
    first.dispose()
    second.dispose()


def _write(database: Database, name: str) -> None:
    with database.transaction() as session:
        session.execute(text("UPDATE shared SET writer = :name"), {"name": name})


def _write_and_rest(database: Database, *, while_resting: Callable[[], None]) -> None:
    with database.transaction() as session:
        session.execute(text("UPDATE shared SET writer = 'first'"))
        while_resting()
        session.execute(text("SELECT 1"))


def _open_and_report(url: str, barrier: multiprocessing.synchronize.Barrier, results: multiprocessing.Queue) -> None:  # type: ignore[type-arg]
    barrier.wait()
    try:
        database = open_database(url)
        results.put(_names(database))
        database.dispose()
    except StoreError as error:
        results.put(str(error))


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
def test_processes_that_open_a_new_database_at_once_take_turns(
    backend: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = f"sqlite:///{tmp_path / 'n.sqlite3'}" if backend == "sqlite" else request.getfixturevalue("postgres_url")
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(3), context.Queue()
    children = [context.Process(target=_open_and_report, args=(url, barrier, results)) for _ in range(3)]
    for child in children:
        child.start()
    assert [results.get(timeout=60) for _ in children] == [[], [], []]
    for child in children:
        child.join()


def test_store_errors_cross_process_borders() -> None:
    error = RevisionError("found", expected="expected", action="action")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301 - made on this line


def test_a_new_file_that_another_process_is_opening_is_waited_for(tmp_path: Path) -> None:
    file = tmp_path / "audits.sqlite3"
    other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    end = threading.Timer(0.3, other.close)
    end.start()
    open_database(f"sqlite:///{file}").dispose()
    end.join()
