"""Fixtures for every test: real databases. Heavy modules are imported by the tests that need them."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from tests.embedded_postgres import EmbeddedPostgres, embedded_postgres


@pytest.fixture(scope="session", autouse=True)
def _one_torch_thread() -> None:
    """More threads are slower on small models, and numbers then depend on the machine."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL server, started at the first test that asks for it."""
    with embedded_postgres() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: EmbeddedPostgres) -> str:
    """The URL of an empty PostgreSQL database that no other test uses."""
    return postgres_server.new_database()
