"""``doctor``: what works here, and what to type where something does not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from cli.invocation import invocation
from cli.options import AsJson

if TYPE_CHECKING:
    from auditor.settings import Settings
    from cli.diagnosis.check import Check


def doctor(context: typer.Context, as_json: AsJson = False) -> None:
    """Check versions, folders, disk, database, broker and workers; exit 1 if something needed is broken."""
    door = invocation(context)
    checks = list(diagnose(door.settings))
    broken = [check for check in checks if not check.ok]
    if as_json:
        door.output.document({"ok": not broken, "checks": [check.to_json() for check in checks]})
    else:
        rows = [(check.what, check.state, check.found, check.action or None) for check in checks]
        door.output.table(("what", "state", "found", "what to do"), rows)
    if broken:
        first = f"{broken[0].what}: {broken[0].found}; {broken[0].action}"
        door.output.error(f"{len(broken)} of {len(checks)} checks found a problem, first {first}")
        raise typer.Exit(1)


def diagnose(settings: Settings) -> Iterator[Check]:
    """Every check, in the order of what depends on what."""
    from cli.diagnosis.machine import machine
    from cli.diagnosis.servers import servers

    yield from machine(settings.home)
    yield from servers(settings)
