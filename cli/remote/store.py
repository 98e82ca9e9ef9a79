"""What commands take from a store and change in it, through a server instead: the same records."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from pydantic import TypeAdapter, ValidationError

from auditor.records import AuditReport, Finding
from auditor.store.audits import StoredAudit
from auditor.store.filters import AuditFilter, Filter, FindingFilter
from auditor.store.findings import StoredFinding
from auditor.store.lifecycle import Progress
from auditor.store.paging import Page
from cli.api_documents import MOST_ROWS, AuditsPage, FindingsPage, ListedModel, ModelsPage, QueuedAgain
from cli.remote.connection import Connection, ServerError, connected

if TYPE_CHECKING:
    from cli.output import Output

Row = TypeVar("Row")
Answer = TypeVar("Answer")


class RemoteStore:
    """The store behind a server."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    @property
    def address(self) -> str:
        """Where the server is."""
        return self.connection.address

    @property
    def option(self) -> str:
        """What a command needs to reach the same server, after a blank."""
        return f" --server {self.address}"

    def audits(self, wanted: AuditFilter) -> Page[StoredAudit]:
        """As ``auditor.store.list_audits``."""

        def rows(query: Mapping[str, str]) -> tuple[list[StoredAudit], str | None]:
            found = as_answer(AuditsPage, self.connection.get("/audits", query))
            return found.audits, found.next

        return _paged(rows, wanted)

    def findings(self, wanted: FindingFilter) -> Page[StoredFinding]:
        """As ``auditor.store.list_findings``."""

        def rows(query: Mapping[str, str]) -> tuple[list[StoredFinding], str | None]:
            found = as_answer(FindingsPage, self.connection.get("/findings", query))
            return [_finding(one) for one in found.findings], found.next

        return _paged(rows, wanted)

    def models(self, limit: int) -> list[ListedModel]:
        """The newest models."""
        found: list[ListedModel] = []
        query: dict[str, str] = {}
        while len(found) < limit:
            query["limit"] = str(min(MOST_ROWS, limit - len(found)))
            page = as_answer(ModelsPage, self.connection.get("/models", query))
            found += page.models
            if page.next is None:
                break
            query["after"] = page.next
        return found

    def progress(self, audit: str) -> Progress:
        """As ``auditor.store.progress``, by an id, the start of one, or "latest"."""
        return as_answer(Progress, self.connection.get(f"/audits/{quote(audit, safe='')}"))

    def report(self, audit: str) -> AuditReport:
        """As ``auditor.store.load_report``."""
        return AuditReport.from_json(self.connection.get(f"/audits/{quote(audit, safe='')}/report"))

    def cancel(self, audit_id: str) -> StoredAudit:
        """As ``auditor.store.cancel_audit``."""
        return as_answer(Progress, self.connection.ask("POST", f"/audits/{quote(audit_id, safe='')}/cancel")).audit

    def retry(self, audit_id: str) -> int:
        """As ``auditor.store.retry_audit``, and the server goes on with it; how many cells are ready."""
        return as_answer(QueuedAgain, self.connection.ask("POST", f"/audits/{quote(audit_id, safe='')}/retry")).cells


@contextmanager
def remote_store(url: str, token_file: Path | None, output: Output) -> Iterator[RemoteStore]:
    """The store behind the server at an address.

    Raises:
        ServerError: as :func:`connected`.
    """
    with connected(url, token_file, output) as connection:
        yield RemoteStore(connection)


def as_answer(kind: type[Answer], document: Any) -> Answer:
    """A document of the API as a value.

    Raises:
        ServerError: it does not hold what this version expects.
    """
    try:
        return TypeAdapter(kind).validate_python(document)
    except ValidationError as wrong:
        first = wrong.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ServerError(
            f"an answer of the server that this version cannot read: {place}: {first['msg']}",
            action="install the same version of dyck-audit here and there",
        ) from None


def _paged(rows: Callable[[Mapping[str, str]], tuple[list[Row], str | None]], wanted: Filter) -> Page[Row]:
    """Pages of the server until there are as many rows as wanted."""
    found: list[Row] = []
    going_on = wanted
    while True:
        left = MOST_ROWS if wanted.limit is None else wanted.limit - len(found)
        some, after = rows(going_on.to_query() | {"limit": str(min(MOST_ROWS, left))})
        found += some
        if after is None or (wanted.limit is not None and len(found) >= wanted.limit):
            return Page(tuple(found), after)
        going_on = wanted.following(after)


def _finding(document: Mapping[str, Any]) -> StoredFinding:
    try:
        where = {name: str(document[name]) for name in ("audit", "model_id", "model")}
        made = datetime.fromisoformat(str(document["audit_created_at"]))
    except (KeyError, ValueError) as wrong:
        raise ServerError(f"a finding of the server that this version cannot read: {wrong}") from None
    return StoredFinding(where["audit"], where["model_id"], where["model"], made, Finding.from_json(document))
