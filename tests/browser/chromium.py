"""Chromium of the system, driven by playwright: where it is, how it starts, and what a page did that it should not."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

REQUIRED = "DYCK_AUDIT_TESTS_NEED_CHROMIUM"
"""Set by CI: the tests then fail, and are not skipped, where Chromium is missing."""

PLACES = ("chromium", "chromium-browser", "google-chrome")
MISSING = "no Chromium; `apt-get install chromium` installs it on Debian and Ubuntu"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
AXE = Path(__file__).parents[1] / "data" / "axe" / "axe.min.js"
SERIOUS = ("serious", "critical")


def chromium() -> str:
    """Path of the browser; skips the test where there is none, or fails it where one is required."""
    found = next((path for name in PLACES if (path := shutil.which(name))), None)
    if found is None and os.environ.get(REQUIRED):
        pytest.fail(MISSING)
    if found is None:
        pytest.skip(MISSING)
    return found


@contextmanager
def running() -> Iterator[Any]:
    """A headless browser with an empty profile."""
    path = chromium()
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=path, args=list(FLAGS), headless=True)
        yield browser
        browser.close()


@dataclass
class Watched:
    """A page, and everything it asked for or complained about."""

    page: Any
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def axe(self) -> list[str]:
        """Serious and critical faults that axe finds, one line each.

        The script is evaluated by the debugger, which no content security policy of the page stops.
        """
        self.page.evaluate(AXE.read_text("utf-8"))
        found = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{fault['id']}: {node['html'][:160]} {node['failureSummary'][:300]}"
            for fault in found["violations"]
            if fault["impact"] in SERIOUS
            for node in fault["nodes"]
        ]


def watched(page: Any) -> Watched:
    """Watch a page from now on."""
    found = Watched(page)
    page.on("request", lambda request: found.requests.append(request.url))
    page.on("console", lambda message: found.complaints.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: found.complaints.append(f"error: {error}"))
    return found


NewPage = Callable[..., Watched]
"""Opens a page with the options of a context."""
