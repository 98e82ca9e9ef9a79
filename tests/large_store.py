"""A store as it is after years of use: thousands of audits with a hundred findings each, written in bulk.

Names, states, verdicts, components and times are drawn from a seed, some far more often than others, as in real use: a
few models have most audits, a few methods most findings, some models compute one function, and some audits were made
at the same moment. Every finding is one that the package reads back.
"""

from __future__ import annotations

import json
import random
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate, chain
from typing import Any

from sqlalchemy import Connection, Table

from auditor.fingerprint.projection import COORDINATES
from auditor.fingerprint.sketch import Sketch
from auditor.records import Claim, Component, Expected, Finding, Kind, Verdict
from auditor.store.ids import ALPHABET, LENGTH
from auditor.store.reports import finding_row
from auditor.store.schema import audit, blob, cell, finding, model

Row = dict[str, Any]

START = datetime(2024, 1, 1, tzinfo=UTC)
MINUTES = 1_000_000  # two years; some audits share their minute
TEMPLATES = 2_000  # different findings, apart from their ids and effects
METHODS = tuple(f"attribution_head_method_{number:02d}" for number in range(57))
EQUIVALENCES = tuple(f"{kind}_change_of_weights_{number:02d}" for kind in Kind for number in range(10))
CLAIMS = ("rank", "set", "predicate", "existence", "pattern", "value")
PLANS = ("quick", "standard", "full", "ours")
STATES = {"done": 90, "failed": 4, "incomplete": 2, "cancelled": 3, "queued": 2, "running": 1}
VERDICTS = {Verdict.STABLE: 65, Verdict.UNSTABLE: 20, Verdict.INCONCLUSIVE: 15}
ID, EFFECT = "@id", -98765.4321  # stand in a template for what each finding has of its own
PLAN = {"sequences": 500, "methods": list(METHODS), "equivalences": list(EQUIVALENCES)}
REPORT_BYTES = 20_000


@dataclass(frozen=True)
class Filled:
    """The ids of what was written, and the number of findings."""

    models: Sequence[str]
    audits: Sequence[str]
    findings: int


def fill(session: Connection, *, audits: int, findings: int, seed: int = 0) -> Filled:
    """Write this many audits, a model for every five of them, and about this many findings."""
    draw = random.Random(seed)
    templates = [_template(draw) for _ in range(min(TEMPLATES, findings))]
    models = list(_models(draw, max(4, audits // 5)))
    states = draw.choices(list(STATES), list(STATES.values()), k=audits)
    each = findings // states.count("done")
    contents = [array("H", _skewed(draw, len(templates), each)) if state == "done" else array("H") for state in states]
    ids = sorted(_new_id(draw, "a") for _ in states)
    made = [
        _audit(draw, audit_id, models, state, Counter(str(templates[place].row["verdict"]) for place in content))
        for audit_id, state, content in zip(ids, states, contents, strict=True)
    ]
    _insert(session, blob, [{"sha256": "s", "media_type": "", "size": 7, "data": b"weights", "created_at": START}])
    _insert(session, model, models)
    _insert(session, audit, made)
    _insert(session, cell, (row for one in made for row in _cells(one)))
    indexes = list(finding.indexes)
    for index in indexes:
        index.drop(session)
    _insert(session, finding, _findings(draw, templates, made, contents))
    for index in indexes:
        index.create(session)
    return Filled([one["id"] for one in models], ids, each * states.count("done"))


@dataclass(frozen=True)
class _Template:
    row: Row
    body: str

    def filled(self, audit_id: str, position: int, finding_id: str, effect: float, created_at: datetime) -> Row:
        own = {"audit_id": audit_id, "id": finding_id, "position": position, "audit_created_at": created_at}
        if self.row["effect"] is not None:
            own["effect"] = effect
        return self.row | own | {"body": self.body.replace(ID, finding_id).replace(str(EFFECT), repr(effect))}


def _template(draw: random.Random) -> _Template:
    (verdict,) = draw.choices(list(VERDICTS), list(VERDICTS.values()))
    equivalence = _skewed_choice(draw, EQUIVALENCES)
    kind = Kind(equivalence.split("_")[0])
    component = Component(draw.randrange(4), *draw.choice([(draw.randrange(8),), (None, draw.randrange(99))]))
    claim = draw.choice(CLAIMS)
    undefined = verdict is Verdict.INCONCLUSIVE and draw.random() < 0.5
    made = Finding(
        id=ID,
        claim=Claim(_skewed_choice(draw, METHODS), claim, component, f"{component.label} leads {claim}", {"top": 1}),
        equivalence=equivalence,
        kind=kind,
        variants=tuple(f"{equivalence}/{number}" for number in range(4)),
        effect=None if undefined else EFFECT,
        interval=None if undefined else (0.012345678901, 0.98765432109),
        noise_floor=0.0123456789,
        threshold=0.1,
        p=0.00123456789,
        q=0.0123456789,
        verdict=verdict,
        expected=draw.choice(list(Expected)) if kind is Kind.EXACT else Expected.OPEN,
        worst_variant=f"{equivalence}/3",
        reason="the scores are not finite on 3 of 500 sequences" if undefined else "",
        mean_effect=0.0123456789,
        mean_interval=(0.0123456789, 0.123456789),
        invariant={Verdict.STABLE: True, Verdict.UNSTABLE: False}.get(verdict, draw.choice([None, True])),
        resolved=draw.choice([True, True, False, None]),
    )
    row = finding_row("", START, 0, made)
    return _Template(row, json.dumps(row["body"]))


def _models(draw: random.Random, number: int) -> Iterator[Row]:
    sketches: list[tuple[float, ...]] = []
    for place in range(number):
        if sketches and draw.random() < 0.3:
            values = tuple(value * (1 + 1e-6) for value in draw.choice(sketches))
        else:
            values = tuple(draw.gauss(0, 1) for _ in range(COORDINATES))
        sketches.append(values)
        model_id = _new_id(draw, "m")
        yield {
            "id": model_id,
            "identity": model_id,
            "name": f"dyck-model-{place % (number * 9 // 10):05d}",  # some names are given twice
            "sha256": "ab" * 32,
            "format": "native",
            "architecture": {"blocks": [{"heads": 8}] * 4, "model_width": 64},
            "task": {"brackets": 3, "depth": 4},
            "weights_sha256": "s",
            "function_fingerprint": None if place % 50 == 49 else Sketch("0" * 16, values).text,
            "parameters": 123_456,
            "created_at": START + timedelta(minutes=place),
        }


def _audit(draw: random.Random, audit_id: str, models: Sequence[Row], state: str, verdicts: Mapping[str, int]) -> Row:
    created_at = START + timedelta(minutes=draw.randrange(MINUTES))
    is_over = state not in ("queued", "running")
    return {
        "id": audit_id,
        "model_id": _skewed_choice(draw, models)["id"],
        "request": audit_id,
        "label": None,
        "plan": PLAN,
        "plan_name": draw.choice(PLANS),
        "seed": draw.randrange(5),
        "strings_sha256": None,
        "versions": {"dyck-audit": "0.1.0", "torch": "2.13.0"},
        "state": state,
        "cells_total": 10,
        "cells_done": 10 if state == "done" else 3,
        "cells_failed": int(state == "failed"),
        "error": "the plan cannot run" if state == "failed" else None,
        "behaviour": None,
        "headline": "Unstable: 3 of 57 claims do not survive" if state == "done" else None,
        **{str(one): verdicts.get(str(one), 0) if state == "done" else None for one in Verdict},
        "report": draw.randbytes(REPORT_BYTES) if state == "done" else None,
        "created_at": created_at,
        "started_at": created_at,
        "finished_at": created_at + timedelta(minutes=draw.randrange(99)) if is_over else None,
    }


def _cells(one: Row) -> Iterator[Row]:
    state = {"done": "done", "queued": "ready"}.get(one["state"], "failed")
    for place in range(10):
        yield {
            "audit_id": one["id"],
            "key": f"measure/{place}",
            "position": place,
            "stage": "measure",
            "needs": None,
            "variant": "original",
            "methods": [METHODS[place]],
            "state": state,
            "skipped": False,
            "attempt": 1,
        } | dict.fromkeys(("owner", "lease_until", "dispatched_at", "started_at", "finished_at", "error"))


def _findings(
    draw: random.Random, templates: Sequence[_Template], audits: Iterable[Row], contents: Iterable[Sequence[int]]
) -> Iterator[Row]:
    for one, content in zip(audits, contents, strict=True):
        for position, place in enumerate(content):
            effect = round(draw.expovariate(3), 6)
            finding_id = f"f{draw.getrandbits(44):011x}"
            yield templates[place].filled(one["id"], position, finding_id, effect, one["created_at"])


def _skewed(draw: random.Random, choices: int, number: int) -> list[int]:
    return [min(choices - 1, int(choices * draw.random() ** 2)) for _ in range(number)]


def _skewed_choice(draw: random.Random, choices: Sequence[Any]) -> Any:
    weights = list(accumulate(1 / (rank + 1) for rank in range(len(choices))))
    return draw.choices(choices, cum_weights=weights)[0]


def _new_id(draw: random.Random, prefix: str) -> str:
    return prefix + "".join(draw.choices(ALPHABET, k=LENGTH))


def _insert(session: Connection, table: Table[Any], rows: Iterable[Row]) -> None:
    """Past SQLAlchemy, which looks at every value: a million rows in a minute. A column left out has its default."""
    rows = iter(rows)
    first = next(rows)
    names = [column.name for column in table.columns if column.name in first]
    is_sqlite = session.dialect.name == "sqlite"
    texts = ([_text(row[name], is_sqlite) for name in names] for row in chain([first], rows))
    cursor = session.connection.cursor()
    if is_sqlite:
        places = ", ".join("?" * len(names))
        cursor.executemany(f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({places})", texts)
        return
    with cursor.copy(f"COPY {table.name} ({', '.join(names)}) FROM STDIN") as copy:
        for row in texts:
            copy.write_row(row)


def _text(value: Any, is_sqlite: bool) -> Any:
    """As the column types of the store write it."""
    if isinstance(value, dict | list):
        return json.dumps(value)
    return value.strftime("%Y-%m-%d %H:%M:%S.%f") if is_sqlite and isinstance(value, datetime) else value
