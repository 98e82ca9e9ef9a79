"""The HTML pages; each module has a ``router``, and ``PAGES`` names them in the order of the navigation."""

from cli.dashboard.pages import audits, login

PAGES = (audits.router, login.router)
