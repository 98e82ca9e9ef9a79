"""What the description of the API allows, and much that it does not, never makes the server fail."""

from __future__ import annotations

from contextlib import suppress

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode

from cli.dashboard.origins import names_of
from tests.cli.conftest import Ids
from tests.cli.dashboard.conftest import NewApp

EXAMPLES = 6
"""Of each operation and mode, the same in every run."""


@pytest.fixture
def app(new_app: NewApp) -> FastAPI:
    return new_app(names=names_of("127.0.0.1", others=("testserver",)))


@pytest.mark.slow
@pytest.mark.parametrize("mode", list(GenerationMode), ids=str)
def test_no_server_error(app: FastAPI, ids: Ids, mode: GenerationMode) -> None:
    schema = schemathesis.openapi.from_asgi("/api/v1/openapi.json", app)
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) > 15
    failed: list[str] = []
    for operation in operations:

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case: schemathesis.Case) -> None:
            answer = case.call()
            if answer.status_code >= 500 and answer.status_code != 503:
                failed.append(f"{case.method} {case.formatted_path} {case.query} {case.body!r}: {answer.text}")

        with suppress(Unsatisfiable):  # an operation without parameters cannot be asked wrongly
            ask()
    assert not failed, failed[0][:2000]
