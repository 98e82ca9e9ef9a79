"""A report as a response. The page has a style and a script of its own, which only this response may run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from io import BytesIO
from typing import Final

from fastapi.responses import Response

from auditor.records import AuditReport
from auditor.report.parquet import parquet_table
from auditor.report.tables import COLUMNS, finding_row, findings_csv
from cli.dashboard.protection import POLICY
from cli.report import Form, rendered

MEDIA_TYPES: Final[Mapping[Form, str]] = {
    Form.HTML: "text/html",
    Form.JSON: "application/json",
    Form.MARKDOWN: "text/markdown; charset=utf-8",
    Form.CSV: "text/csv; charset=utf-8",
    Form.PARQUET: "application/vnd.apache.parquet",
}

_OWN_POLICY: Final = re.compile(r'<meta http-equiv="Content-Security-Policy" content="([^"<>\r\n]+)">')
_BOX: Final = "; frame-ancestors 'self'; sandbox allow-scripts allow-modals"
"""The page has no access to this server's pages and cookies."""


def report_response(report: AuditReport, form: Form) -> Response:
    """The report in one of its forms."""
    if form is Form.HTML:
        return page_response(rendered(report, form))
    answer = Response(_content(report, form), media_type=MEDIA_TYPES[form])
    if form in (Form.CSV, Form.PARQUET):
        answer.headers["Content-Disposition"] = f'attachment; filename="{report.audit.id}.{form.value}"'
    return answer


def _content(report: AuditReport, form: Form) -> str | bytes:
    """The document, the text or the table.

    Raises:
        ReportError: Parquet, and the server has no library for it.
    """
    if form is Form.CSV:
        return findings_csv(report.findings)
    if form is not Form.PARQUET:
        return rendered(report, form)
    file = BytesIO()
    with parquet_table(file, COLUMNS) as table:
        table.write([finding_row(one) for one in report.findings])
    return file.getvalue()


def page_response(text: str) -> Response:
    """The page of a report, which is rendered already."""
    answer = Response(text, media_type=MEDIA_TYPES[Form.HTML])
    own = _OWN_POLICY.search(text[:10_000])
    answer.headers["Content-Security-Policy"] = POLICY if own is None else own[1] + _BOX
    answer.headers["X-Frame-Options"] = "SAMEORIGIN"
    return answer
