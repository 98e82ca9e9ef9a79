"""The web application over the prepared home, asked in this process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from auditor.settings import read_settings
from auditor.store.session import open_database
from cli.dashboard.application import create_app
from cli.dashboard.services import Services
from tests.cli.conftest import Ids

ADDRESS = "http://127.0.0.1:8000"


@pytest.fixture
def dashboard(home: Path, ids: Ids) -> Iterator[FastAPI]:
    """The application on the loopback address: no token is needed."""
    settings = read_settings({}, home=home)
    database = open_database(settings.database_url)
    yield create_app(Services(settings, database))
    database.dispose()


@pytest.fixture
def client(dashboard: FastAPI) -> TestClient:
    """A browser or program on this machine."""
    return TestClient(dashboard, base_url=ADDRESS)
