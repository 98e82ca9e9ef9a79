"""The HTML pages; each module has a ``router``, and ``PAGES`` names them in the order of the navigation."""

from cli.dashboard.pages import audit, audits, comparison, findings, login, models, style, upload

PAGES = (
    audits.router,
    audit.router,
    findings.router,
    models.router,
    upload.router,
    comparison.router,
    login.router,
    style.router,
)
