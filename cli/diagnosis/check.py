"""One thing that was looked at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from auditor.errors import AuditorError


@dataclass(frozen=True, slots=True)
class Check:
    """One check. ``action`` is what to type: needed when it is not ``ok``, else an improvement."""

    what: str
    ok: bool
    found: str
    action: str = ""

    @property
    def state(self) -> str:
        """ok, note (works, and can be better) or problem."""
        return "problem" if not self.ok else "note" if self.action else "ok"

    def to_json(self) -> dict[str, Any]:
        """The check as plain values."""
        return {"what": self.what, "state": self.state, "ok": self.ok, "found": self.found, "action": self.action}


def attempt(what: str, look: Callable[[], str | Check]) -> Check:
    """What ``look`` finds, or the error that it raises as a problem with what to do."""
    try:
        found = look()
    except AuditorError as error:
        return Check(what, False, error.found, error.action or f"expected {error.expected}")
    return found if isinstance(found, Check) else Check(what, True, found)
