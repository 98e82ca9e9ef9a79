"""Reports that were read lately: the pages about one audit read its report again and again, and it does not change."""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import datetime
from typing import Final, TypeVar

from auditor.records import AuditReport
from auditor.report.html import render_html
from auditor.store.audits import get_audit
from auditor.store.reports import load_report
from auditor.store.session import Session

MOST: Final = 6
"""A report of a standard audit takes some 20 MB in memory, its page 2 MB."""

Key = tuple[str, datetime | None]
T = TypeVar("T")


class KeptReports:
    """The last few reports and their pages, by audit and the time it ended: a retried audit has another report."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[Key, AuditReport] = OrderedDict()
        self._pages: OrderedDict[Key, str] = OrderedDict()

    def load(self, session: Session, audit: str) -> AuditReport:
        """The report of an audit, by its id, the start of it, or ``latest``.

        Raises:
            NotFoundError, AmbiguousError, StoreError: as :func:`load_report`.
        """
        found = get_audit(session, audit)
        key = (found.id, found.finished_at)
        report = _get(self._lock, self._kept, key)
        if report is None:
            report = load_report(session, found.id)
            _put(self._lock, self._kept, key, report)
        return report

    def page(self, session: Session, audit: str) -> tuple[AuditReport, str]:
        """The report and its HTML page."""
        report = self.load(session, audit)
        key = (report.audit.id, get_audit(session, report.audit.id).finished_at)
        text = _get(self._lock, self._pages, key)
        if text is None:
            text = render_html(report)
            _put(self._lock, self._pages, key, text)
        return report, text


def _get(lock: threading.Lock, kept: OrderedDict[Key, T], key: Key) -> T | None:
    with lock:
        found = kept.get(key)
        if found is not None:
            kept.move_to_end(key)
        return found


def _put(lock: threading.Lock, kept: OrderedDict[Key, T], key: Key, value: T) -> None:
    with lock:
        kept[key] = value
        while len(kept) > MOST:
            kept.popitem(last=False)
