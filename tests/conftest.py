"""Fixtures for every test: real databases, a real browser. Heavy modules are imported by the tests that need them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests.browser.chromium import NewPage, Watched, running, watched
from tests.embedded_postgres import EmbeddedPostgres, embedded_postgres
from tests.longest_files import LONGEST_FIRST

RECOVERY: Final = "fault and seconds to recover"
"""The property of a test that notes a row of the table below."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the longest files first, in front of the random order of the others."""
    places = {config.rootpath / file: place for place, file in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The table of faults and how long it took until what they had hit was taken up again."""
    rows = [
        value
        for report in terminalreporter.getreports("passed")
        for name, value in report.user_properties
        if name == RECOVERY and report.when == "call"
    ]
    if rows:
        terminalreporter.section("fault → seconds to recover")
        for fault, seconds in sorted(rows):
            terminalreporter.write_line(f"{seconds:8.1f}  {fault}")


@pytest.fixture(scope="session", autouse=True)
def _one_torch_thread() -> None:
    """More threads are slower on small models, and numbers then depend on the machine."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, one for all tests of a file. While it runs, no event loop can be started in this thread."""
    with running() as started:
        yield started


@pytest.fixture
def new_page(browser: Any) -> Iterator[NewPage]:
    """Opens watched pages, each in an empty context; options are those of a context: ``viewport``, ``color_scheme``."""
    contexts = []

    def opened(**options: Any) -> Watched:
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.set_default_timeout(60_000)
        return watched(page)

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL server, started at the first test that asks for it."""
    with embedded_postgres() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: EmbeddedPostgres) -> str:
    """The URL of an empty PostgreSQL database that no other test uses."""
    return postgres_server.new_database()
