"""One browser for all tests of a process; one empty context for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.browser.chromium import Watched, running, watched

NewPage = Callable[..., Watched]


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """The browser."""
    with running() as started:
        yield started


@pytest.fixture
def new_page(browser: Any) -> Iterator[NewPage]:
    """Opens watched pages; options are those of a context: ``viewport``, ``color_scheme`` …"""
    contexts = []

    def opened(**options: Any) -> Watched:
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.set_default_timeout(60_000)
        return watched(page)

    yield opened
    for context in contexts:
        context.close()
