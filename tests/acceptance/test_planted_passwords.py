"""The search for planted passwords finds them: in files, in what was said, and in the rows of a database."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
import redis

from tests.acceptance.broker_server import BrokerServer, client_of
from tests.embedded_postgres import EmbeddedPostgres
from tests.planted import BROKER_PASSWORD, DATABASE_PASSWORD, Heard, files_that_show_passwords, in_url, shows_password


@pytest.mark.parametrize("password", [BROKER_PASSWORD, DATABASE_PASSWORD])
def test_a_password_is_found_as_it_is_in_a_url_and_in_part(password: str) -> None:
    shown = (password, in_url(password), password.split("@", maxsplit=1)[0], password.rsplit("@", maxsplit=1)[1])
    assert all(shows_password(f"cannot connect to {text}:6379") for text in shown)
    assert not shows_password("cannot connect to ***@localhost:6379")


def test_it_is_found_in_files_their_names_and_what_was_said(tmp_path: Path) -> None:
    leaks = tmp_path / "of this test"  # found by the search after the test too, so removed here
    leaks.mkdir()
    (leaks / "clean").write_text("nothing")
    (leaks / "log").write_bytes(b"\x00\xff" + in_url(BROKER_PASSWORD).encode())
    (leaks / in_url(DATABASE_PASSWORD)).mkdir()
    assert {file.name for file in files_that_show_passwords(tmp_path)} == {"log", in_url(DATABASE_PASSWORD)}
    (leaks / "log").unlink()
    (leaks / in_url(DATABASE_PASSWORD)).rmdir()
    heard = Heard()
    heard.note("one", "nothing", b"")
    heard.note("two", None, DATABASE_PASSWORD)
    assert (heard.take_leaks(), heard.take_leaks()) == (["two"], [])


def test_it_is_found_in_rows(postgres_server: EmbeddedPostgres) -> None:
    url = postgres_server.new_database()
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept (note text, weights bytea)")
    assert not shows_password(postgres_server.dump(url))
    with psycopg.connect(url) as connection:
        connection.execute("INSERT INTO kept (weights) VALUES (%s)", (b"\x00\xff" + DATABASE_PASSWORD.encode(),))
    assert shows_password(postgres_server.dump(url))


def test_the_servers_of_these_tests_ask_for_them(postgres_url: str, broker_url: str) -> None:
    with pytest.raises(psycopg.OperationalError, match="authentication failed"):
        psycopg.connect(postgres_url.replace(in_url(DATABASE_PASSWORD), "wrong"))
    plain = broker_url.replace(f":{in_url(BROKER_PASSWORD)}@", "")
    with client_of(plain) as client, pytest.raises(redis.AuthenticationError):
        client.ping()
    server = BrokerServer()
    server.start()
    try:
        with client_of(server.url) as client:
            assert client.ping()
    finally:
        server.kill()
