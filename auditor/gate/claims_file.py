"""``claims.toml``: published claims about a model, one table per claim.

    [[claim]]
    component = "L1H0"
    method    = "ablation_head_mean"
    statement = "top-1"
    survives  = ["exact", "behavioural"]

Every mistake is one line that names the file and its line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from textwrap import fill, indent
from typing import TypeVar

from auditor.contracts import equivalences, methods
from auditor.errors import ClaimsError
from auditor.files.documents import Table
from auditor.files.text_file import read_text, read_toml
from auditor.gate.statements import CAUSAL, GRAMMAR, claim_of, component_named
from auditor.readings import method_named, why_unknown
from auditor.records import Claim, Json, Kind
from auditor.records.slices import WORDS, slice_of

Read = TypeVar("Read")

LARGEST_FILE = 1_000_000
"""Bytes: some thousand claims."""

_FORMS = indent(fill(GRAMMAR, 100), "#     ")

EXAMPLE = f"""# Claims about components of a model, checked by `dyck-audit gate claims.toml CHECKPOINT`.
# Each table is one claim. The forms of a statement:
{_FORMS}

[[claim]]
name      = "the head that matters"      # optional; else made from the rest
component = "L1H0"                       # L1H0 a head, L0N12 a neuron, L1.mlp a part
method    = "ablation_head_mean"         # see `dyck-audit methods`
statement = "top-1"                      # among the heads, by mean score
survives  = ["exact", "behavioural"]     # kinds (exact, behavioural, input) or names of equivalences; default: exact
role      = "primary"                    # primary claims decide the exit code; exploratory ones are only shown
# model   = "lm"                         # name or id of the model it is about; default: whichever is gated

[[claim]]
component = "some head"                  # what may survive where the named head does not
statement = "attention_stack_top >= 0.5 at depth >= 2"   # on some of the outputs only
role      = "exploratory"

[[claim]]
component = "L1H0"
statement = "top-2 by ablation_head_mean and by ablation_head_zero"   # by both

[[claim]]
component = "all heads"
statement = "agree on the top 2 by ablation_head_mean and by ablation_head_zero"

[[claim]]
component = "L1H0"
statement = "beats L0H0 by 0.1 by ablation_head_mean"

[[claim]]
component = "L1H0"
statement = "reads most from L0H1 by patching_path_head_to_head"   # or: reads from L0H1 >= 0.2

[[claim]]
component = "L0H0"
statement = "backs up L0H1 by 0.05 by ablation_head_pair_mean"   # both cost 0.05 more than the sum

[[claim]]
component = "L0.residual"
statement = "uses the direction by 0.01 by direction_stack_top_probe"   # more than random ones of equal size

[[claim]]
component = "circuit of L0H0, L1H0"      # nodes; or edges: L0H0->L1H0.v, L1H0->logits
statement = "faithful >= 0.8"            # or: complete >= 0.8
"""


class Role(StrEnum):
    """Whether a claim decides."""

    PRIMARY = "primary"
    EXPLORATORY = "exploratory"


@dataclass(frozen=True, slots=True)
class Entry:
    """One claim of a file. ``survives`` names kinds of equivalence, or equivalences."""

    claim: Claim
    name: str
    survives: tuple[str, ...]
    role: Role
    model: str | None
    line: int


@dataclass(frozen=True, slots=True)
class ClaimsFile:
    """A file of claims, in its order."""

    path: str
    entries: tuple[Entry, ...]

    def about(self, *names: str) -> tuple[Entry, ...]:
        """The claims about a model that goes by these names and ids; an id may be shortened to six characters."""

        def means(wanted: str) -> bool:
            return any(wanted == name or (len(wanted) >= _SHORTEST_ID and name.startswith(wanted)) for name in names)

        return tuple(entry for entry in self.entries if entry.model is None or means(entry.model))

    def require_about(self, *names: str) -> tuple[Entry, ...]:
        """The claims about a model, the first of whose names is for the message.

        Raises:
            ClaimsError: there is none: a gate that checks nothing must not pass.
        """
        found = self.about(*names)
        if not found:
            raise ClaimsError(f"{self.path}: no claim is about {names[0]}", expected="a claim about the gated model")
        return found


_SHORTEST_ID = 6
_FIELDS = ("component", "statement", "method", "survives", "role", "name", "model")


def read_claims(path: Path) -> ClaimsFile:
    """The claims of a TOML file.

    Raises:
        ClaimsError: a file that cannot be read, an unknown field, a value of the wrong type, an unknown method,
            equivalence or component, two claims of one name; with file and line.
    """
    text = read_text(path, ClaimsError, expected="a TOML file of claims", limit=LARGEST_FILE)
    data = read_toml(text, path, ClaimsError, expected="a TOML file of claims", action=_HELP)
    unknown = sorted(set(data) - {"claim"})
    if unknown:
        raise ClaimsError(
            f"{path}:{_line_of(text, unknown[0])}: unknown table or field {unknown[0]!r}", expected="[[claim]]"
        )
    tables = data.get("claim")
    if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
        raise ClaimsError(f"{path}: no claims", expected="[[claim]] tables", action=_HELP)
    return ClaimsFile(str(path), _entries(tables, text, str(path)))


_HELP = "see `dyck-audit gate --example`"


def _entries(tables: list[Mapping[str, Json]], text: str, path: str) -> tuple[Entry, ...]:
    starts = [number for number, line in enumerate(text.splitlines(), 1) if re.match(r"\s*\[\[\s*claim\s*\]\]", line)]
    starts = starts if len(starts) == len(tables) else [1] * len(tables)  # written inline: claim = [{…}]
    entries, names = [], set()
    for table, start, end in zip(tables, starts, [*starts[1:], len(text.splitlines()) + 1], strict=True):
        entry = _ClaimTable(table, text, path, start, end).claimed()
        if entry.name in names:
            raise ClaimsError(f"{path}:{start}: {entry.name!r} is claimed twice", expected="each name once")
        names.add(entry.name)
        entries.append(entry)
    return tuple(entries)


class _ClaimTable(Table):
    """One [[claim]] and its lines."""

    def __init__(self, entries: Mapping[str, Json], text: str, path: str, start: int, end: int) -> None:
        super().__init__(entries, ClaimsError)
        self._text, self._path, self._start, self._end = text, path, start, end

    def refused(self, name: str, found: str, expected: str) -> ClaimsError:
        line = _line_of(self._text, name, first=self._start, last=self._end)
        return ClaimsError(f"{self._path}:{line}: {found}", expected=expected)

    def missing(self, name: str, stand_in: Json) -> ClaimsError:  # noqa: ARG002
        found = f"{self._path}:{self._start}: a claim without {name}"
        return ClaimsError(found, expected=f'{name} = "…"', action=_HELP)

    def claimed(self) -> Entry:
        """The claim.

        Raises:
            ClaimsError: with file and line.
        """
        self.no_others(_FIELDS)
        claim = self._claim()
        return Entry(
            claim=claim,
            name=self.text("name") if self.has("name") else claim.text,
            survives=self._survives(),
            role=self.choice("role", Role) if self.has("role") else Role.PRIMARY,
            model=self.text("model") if self.has("model") else None,
            line=self._start,
        )

    def _claim(self) -> Claim:
        component = self._read("component", component_named)
        method = self.text("method") if self.has("method") else None
        claim = self._read("statement", lambda text: claim_of(component, text, method))
        entry = "statement" if method is None else "method"
        for name in claim.methods:
            if why_not := why_unknown(name):
                raise self.refused(entry, why_not, "one of those that `dyck-audit methods` lists")
            self._check_scores(claim, name, entry)
        return claim

    def _check_scores(self, claim: Claim, method: str, entry: str) -> None:
        """Raise ClaimsError where a claim about edges or pairs names a method that has no scores of them."""
        wanted, is_about_directions = slice_of(claim), claim.parameters.get("predicate") == CAUSAL
        if is_about_directions and method_named(method).family != "direction":
            having = [name for name, one in methods().items() if one.family == "direction"]
            raise self.refused(entry, f"{method} ablates no direction", " or ".join(having))
        if wanted is not None and method_named(method).second_axis != wanted[0]:
            having = [name for name, one in methods().items() if one.second_axis == wanted[0]]
            raise self.refused(entry, f"{method} has no scores of {WORDS[wanted[0]]}", " or ".join(having))

    def _read(self, name: str, reader: Callable[[str], Read]) -> Read:
        """The result of a parser on a text; the line is added to its error."""
        text = self.text(name)
        try:
            return reader(text)
        except ClaimsError as wrong:
            raise self.refused(name, wrong.found, wrong.expected) from None

    def _survives(self) -> tuple[str, ...]:
        listed = self.texts("survives") if self.has("survives") else (str(Kind.EXACT),)
        if not listed:
            raise self.refused("survives", "survives = []", "kinds or names of equivalences")
        for name in listed:
            if name not in tuple(Kind) and name not in equivalences():
                expected = f"{', '.join(Kind)}, or one of those that `dyck-audit equivalences` lists"
                raise self.refused("survives", f"unknown equivalence {name!r}", expected)
        return tuple(dict.fromkeys(listed))


def _line_of(text: str, field: str, *, first: int = 1, last: int | None = None) -> int:
    """The line on which a field or table is named, else the first line looked at."""
    wanted = re.compile(rf"""\s*(?:\[+\s*)?["']?{re.escape(field)}["']?\s*(?:=|\]|\.)""")
    lines = text.splitlines()
    for number in range(first, min(last or len(lines) + 1, len(lines) + 1)):
        if wanted.match(lines[number - 1]):
            return number
    return first
