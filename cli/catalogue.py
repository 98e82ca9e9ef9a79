"""``methods`` and ``equivalences``: what can be audited, under what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import typer

from cli.documents import document
from cli.invocation import invocation
from cli.options import AsJson

if TYPE_CHECKING:
    from auditor.contracts import Equivalence, InterpretationMethod

METHOD_FACTS = ("version", "family", "summary", "unit", "higher_means", "source", "claims", "distance", "expected")
EQUIVALENCE_FACTS = ("version", "kind", "summary", "needs", "promise", "source")


def methods(context: typer.Context, as_json: AsJson = False) -> None:
    """List the interpretation methods: what each reads, its unit, its source, what theory expects of it."""
    from auditor import contracts

    found = contracts.methods()
    if as_json:
        invocation(context).output.document({"methods": _facts(found, METHOD_FACTS)})
        return
    rows = [(name, one.family, one.unit, ", ".join(one.claims), one.summary, one.source) for name, one in found.items()]
    invocation(context).output.table(("method", "family", "unit", "claims", "what it computes", "source"), rows)


def equivalences(context: typer.Context, as_json: AsJson = False) -> None:
    """List the function-preserving changes: what each needs and what its certificate promises."""
    from auditor import contracts

    found = contracts.equivalences()
    if as_json:
        invocation(context).output.document({"equivalences": _facts(found, EQUIVALENCE_FACTS)})
        return
    rows = [(name, str(one.kind), one.summary, one.needs, one.promise, one.source) for name, one in found.items()]
    invocation(context).output.table(("equivalence", "kind", "what it changes", "needs", "promise", "source"), rows)


def _facts(
    plugins: Mapping[str, InterpretationMethod] | Mapping[str, Equivalence], names: tuple[str, ...]
) -> list[dict[str, Any]]:
    return [
        {"name": name} | {fact: document(getattr(plugin, fact)) for fact in names} for name, plugin in plugins.items()
    ]
