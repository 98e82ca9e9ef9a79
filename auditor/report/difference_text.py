"""A comparison of two audits on the terminal: whether they can be compared, then what differs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from auditor.records import Finding
from auditor.report.difference import AuditDifference, FindingPair, MetricPair
from auditor.report.terminal import verdict_text, wrapped
from auditor.report.view import measured
from auditor.report.wording import claim_text, counted, interval, number, plain, words

MOST_PAIRS = 30


def render_difference(difference: AuditDifference, *, everything: bool = False) -> RenderableType:
    """The two audits, what they do not share, and what differs; with ``everything`` also what does not."""
    return Group(*_parts(difference, everything))


def _parts(difference: AuditDifference, everything: bool) -> Iterator[RenderableType]:
    old, new = (f"{origin.get('audit')} ({origin.get('model')})" for origin in (difference.first, difference.second))
    yield Text.assemble((plain(old), "bold"), " → ", (plain(new), "bold"))
    yield from _comparability(difference)
    yield Text(
        f"{len(difference.changed)} of {counted(len(difference.pairs), 'paired finding')} changed verdict; "
        f"{counted(len(difference.moved), 'effect')} more beyond the 95 % intervals; "
        f"{len(difference.only_first)} only in the first, {len(difference.only_second)} only in the second"
    )
    shown = [pair for pair in difference.pairs if everything or pair.differs]
    listed = shown if everything else shown[:MOST_PAIRS]
    if listed:
        yield Text()
        yield _pairs_table(listed)
    if len(listed) < len(shown):
        yield Text(f"{len(shown) - len(listed)} more differ; --all shows them", style="dim")
    if everything:
        yield from _alone("only in the first", difference.only_first)
        yield from _alone("only in the second", difference.only_second)
    yield Text()
    metrics = [pair for pair in difference.behaviour if everything or pair.differs]
    yield _behaviour(metrics) if metrics else Text("Behaviour: no metric differs")


def _comparability(difference: AuditDifference) -> Iterator[Text]:
    if difference.obstacles:
        yield Text("! not comparable: no difference need be the models' alone, as these have", style="yellow")
        for obstacle in difference.obstacles:
            yield Text(f"!   {plain(obstacle.text, 1_000)}", style="yellow")
    else:
        yield Text("comparable: same plan, seed, strings, versions and function")
    if difference.one_function and difference.first.get("weights") != difference.second.get("weights"):
        yield Text("the two models compute one function with other weights", style="dim")


def _pairs_table(pairs: Sequence[FindingPair]) -> Table:
    table = Table(box=None, pad_edge=False)
    for head in ("claim", "equivalence", "first", "second", "effects", "95 % intervals", "difference"):
        table.add_column(head, justify="right" if head == "difference" else "left", overflow="fold")
    for pair in pairs:
        table.add_row(
            Text(claim_text(pair.first.claim)),
            Text(wrapped(pair.first.equivalence)),
            verdict_text(pair.first.verdict),
            verdict_text(pair.second.verdict) if pair.verdict_changed else Text("same", style="dim"),
            f"{number(pair.first.effect)} → {number(pair.second.effect)}",
            Text(f"{interval(pair.first.interval)} → {interval(pair.second.interval)}"),
            _signed(pair.effect_difference) + ("" if pair.effect_moved else " (within)"),
        )
    return table


def _alone(title: str, findings: Sequence[Finding]) -> Iterator[RenderableType]:
    if not findings:
        return
    table = Table(box=None, pad_edge=False, title=title, title_justify="left", title_style="bold")
    for head in ("claim", "equivalence", "verdict"):
        table.add_column(head, overflow="fold")
    for one in findings:
        table.add_row(Text(claim_text(one.claim)), Text(wrapped(one.equivalence)), verdict_text(one.verdict))
    yield Text()
    yield table


def _behaviour(metrics: Sequence[MetricPair]) -> Table:
    table = Table(box=None, pad_edge=False, title="Behaviour", title_justify="left", title_style="bold")
    for head in ("inputs", "metric", "first", "second", "difference"):
        table.add_column(head, justify="left" if head in ("inputs", "metric") else "right")
    for pair in metrics:
        table.add_row(
            Text(plain(words(pair.inputs))),
            Text(plain(words(pair.metric))),
            measured(pair.metric, pair.first),
            measured(pair.metric, pair.second),
            _signed(pair.difference),
        )
    return table


def _signed(value: float | None) -> str:
    return ("+" if value is not None and value > 0 else "") + number(value)
