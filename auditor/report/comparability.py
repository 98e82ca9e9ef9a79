"""Why a difference between two audits need not be the models': what else was not the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from auditor.fingerprint.sketch import same_function
from auditor.records import AuditReport, AuditState, Json
from auditor.report.wording import counted, plain, setting, words

SHOWN = 4
"""Settings or versions that a line names; the rest is counted."""

ABSENT = "none"


@dataclass(frozen=True, slots=True)
class Obstacle:
    """One thing that the two audits do not share."""

    what: str  # plan, seed, strings, versions, task, architecture, function or state
    text: str  # for a person
    changes: Mapping[str, tuple[Json, Json]]  # name → its value in the first and in the second

    def to_json(self) -> dict[str, Json]:
        """JSON form."""
        changes: dict[str, Json] = {name: list(values) for name, values in self.changes.items()}
        return {"what": self.what, "text": self.text, "changes": changes}


def obstacles(first: AuditReport, second: AuditReport) -> tuple[Obstacle, ...]:
    """What the two audits do not share; none: whatever differs between them, differs between the models."""
    return tuple(_obstacles(first, second))


def _obstacles(first: AuditReport, second: AuditReport) -> Iterator[Obstacle]:
    one, other = first.audit, second.audit
    if plan := changed({"name": one.plan, **one.plan_settings}, {"name": other.plan, **other.plan_settings}):
        yield Obstacle("plan", f"other plan ({_listed(plan)})", plan)
    if one.seed != other.seed:
        yield _single("seed", "other seed", one.seed, other.seed)
    strings = [None if audit.strings is None else audit.strings.sha256 for audit in (one, other)]
    if strings[0] != strings[1]:
        said = " → ".join("drawn from the task" if sha is None else f"sha256 {plain(sha)[:16]}…" for sha in strings)
        yield Obstacle("strings", f"different strings ({said})", {"sha256": (strings[0], strings[1])})
    if versions := changed(one.versions, other.versions):
        yield Obstacle("versions", f"other versions ({_listed(versions)})", versions)
    unfinished = [audit.state for audit in (one, other) if audit.state is not AuditState.DONE]
    if unfinished:
        text = f"{counted(len(unfinished), 'audit')} with parts that failed ({one.state}, {other.state})"
        yield Obstacle("state", text, {"state": (str(one.state), str(other.state))})
    yield from _models(first, second)


def _models(first: AuditReport, second: AuditReport) -> Iterator[Obstacle]:
    one, other = first.model, second.model
    if task := changed(one.task, other.task):
        yield Obstacle("task", f"models of other languages ({_listed(task)})", task)
    if architecture := changed(one.architecture, other.architecture):
        text = f"models of other shapes ({_listed(architecture)}): one name need not mean one component"
        yield Obstacle("architecture", text, architecture)
    if is_one_function(first, second) is False:
        labels = (one.function_fingerprint, other.function_fingerprint)
        yield Obstacle("function", "models that compute different functions", {"fingerprint": labels})


def is_one_function(first: AuditReport, second: AuditReport) -> bool | None:
    """Whether the two models compute one function; None where one has no fingerprint."""
    one, other = first.model.function_fingerprint, second.model.function_fingerprint
    if first.audit.weights_sha256 == second.audit.weights_sha256:
        return True
    return None if one is None or other is None else same_function(one, other)


def changed(first: Mapping[str, Json], second: Mapping[str, Json]) -> dict[str, tuple[Json, Json]]:
    """The entries that are not equal, by name."""
    names = dict.fromkeys([*first, *second])
    return {name: (first.get(name), second.get(name)) for name in names if first.get(name) != second.get(name)}


def _single(what: str, text: str, first: Json, second: Json) -> Obstacle:
    return Obstacle(what, f"{text} ({setting(first)} → {setting(second)})", {what: (first, second)})


def _listed(changes: Mapping[str, tuple[Json, Json]]) -> str:
    shown = [_told(name, *values) for name, values in list(changes.items())[:SHOWN]]
    more = len(changes) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _told(name: str, first: Json, second: Json) -> str:
    if any(isinstance(value, list | dict) for value in (first, second)):
        return words(plain(name, 60))  # a list or a table takes a screen
    values = (ABSENT if value is None else plain(setting(value), 40) for value in (first, second))
    return f"{words(plain(name, 60))} {' → '.join(values)}"
