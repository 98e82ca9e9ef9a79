"""The JSON API, version 1; ``API`` names its routers. Documents are those of the commands with ``--json``."""

from cli.dashboard.api import about, audits, catalogue, comparison, findings, models

API = (about.router, models.router, audits.router, findings.router, comparison.router, catalogue.router)
