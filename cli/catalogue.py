"""``methods`` and ``equivalences``: what can be audited, under what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.documents import document
from cli.invocation import invocation
from cli.options import AsJson
from cli.packages import with_packages

if TYPE_CHECKING:
    from auditor.contracts import Equivalence, InterpretationMethod

METHOD_FACTS = (
    "version",
    "family",
    "smallest_plan",
    "summary",
    "unit",
    "higher_means",
    "source",
    "claims",
    "predicates",
    "distance",
    "depends_on",
    "expected",
)
EQUIVALENCE_FACTS = (
    "version",
    "kind",
    "changes",
    "parts",
    "widens",
    "smallest_plan",
    "summary",
    "needs",
    "promise",
    "source",
)


Oracle = Annotated[bool, typer.Option("--oracle", help="The table of what theory predicts: method × exact symmetry.")]


def methods(context: typer.Context, oracle: Oracle = False, as_json: AsJson = False) -> None:
    """List the interpretation methods: what each reads, its unit, its source, what theory expects of it."""
    from auditor import contracts

    found = contracts.methods()
    if oracle:
        _show_oracle(context, found, as_json=as_json)
        return
    if as_json:
        invocation(context).output.document({"methods": facts(found, METHOD_FACTS)})
        return
    rows = [
        (name, one.family, one.smallest_plan, one.unit, ", ".join(one.claims), one.summary, one.source)
        for name, one in found.items()
    ]
    columns = ("method", "family", "from plan", "unit", "claims", "what it computes", "source")
    invocation(context).output.table(*with_packages(columns, rows, found))


def equivalences(context: typer.Context, as_json: AsJson = False) -> None:
    """List the function-preserving changes: what each needs and what its certificate promises."""
    from auditor import contracts

    found = contracts.equivalences()
    if as_json:
        invocation(context).output.document({"equivalences": facts(found, EQUIVALENCE_FACTS)})
        return
    rows = [
        (name, str(one.kind), one.smallest_plan, one.summary, one.needs, one.promise, one.source)
        for name, one in found.items()
    ]
    columns = ("equivalence", "kind", "from plan", "what it changes", "needs", "promise", "source")
    invocation(context).output.table(*with_packages(columns, rows, found))


def _show_oracle(context: typer.Context, found: Mapping[str, InterpretationMethod], *, as_json: bool) -> None:
    from auditor import contracts
    from auditor.records import Kind
    from auditor.report.theory_table import predictions, render_oracle

    symmetries = tuple(name for name, one in contracts.equivalences().items() if one.kind is Kind.EXACT)
    expected = {name: one.expected for name, one in found.items()}
    if as_json:
        invocation(context).output.document({"oracle": predictions(expected, symmetries)})
    else:
        invocation(context).output.show(render_oracle(expected, symmetries))


def facts(
    plugins: Mapping[str, InterpretationMethod] | Mapping[str, Equivalence], names: tuple[str, ...]
) -> list[dict[str, Any]]:
    """Each plug-in with what it says of itself, as JSON."""
    return [
        {"name": name, "package": plugin.origin.package, "package_version": plugin.origin.version}
        | {fact: document(getattr(plugin, fact)) for fact in names}
        for name, plugin in plugins.items()
    ]
