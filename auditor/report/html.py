"""One self-contained page: no request leaves it, no script but its own runs in it.

Every string is escaped by the template engine and made harmless first; a content security policy that names the hashes
of the page's own style and script refuses anything else. The page stays under ``SIZE_LIMIT`` bytes: what is cut is
counted on the page and is complete in the JSON and CSV reports.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from auditor.records import AuditReport, Exclusion, Illustration, Rates
from auditor.report import claims, matrix, wording
from auditor.report.folded import UNTESTED, folded
from auditor.report.heatmap import Picture, picture
from auditor.report.scores import PLOT_WIDTH, score_panels
from auditor.report.view import ReportView, provenance, view_of

SIZE_LIMIT = 2_000_000
"""Bytes of UTF-8."""


@dataclass(frozen=True, slots=True)
class Budget:
    """How much of the long lists a page shows; ``paths`` are characters of drawn attention."""

    rows: int
    fields: int
    panels: int
    paths: int


BUDGETS = (
    Budget(1000, 4000, 40, 400_000),
    Budget(300, 2000, 20, 200_000),
    Budget(100, 800, 10, 100_000),
    Budget(25, 200, 3, 40_000),
)
"""Tried in turn until the page is small enough."""


def render_html(report: AuditReport) -> str:
    """The report as one HTML page."""
    page, view = "", view_of(report)
    for budget in BUDGETS:
        page = _page(view, budget)
        if len(page.encode()) < SIZE_LIMIT:
            break
    return page


def _page(view: ReportView, budget: Budget) -> str:
    report, map_ = view.report, folded(view.matrix)
    style, script = (_source(name) for name in ("style.css", "script.js"))
    panels = score_panels(report)
    columns = map_.columns[: max(1, min(80, budget.fields // max(1, len(map_.rows))))]
    return (
        _engine()
        .get_template("report.html.j2")
        .render(
            view=view,
            report=report,
            budget=budget,
            map=map_,
            matrix_columns=columns,
            matrix_rows=map_.rows[: budget.fields // max(1, len(columns))],
            panels=panels[: budget.panels],
            panels_left_out=len(panels[budget.panels :]),
            pictures=_pictures(report.illustrations, budget.paths),
            provenance=provenance(report),
            calibration_rows=_calibration_rows(report),
            excuses=_excuses(report.not_applicable),
            plot_width=PLOT_WIDTH,
            kinds=[kind for kind in claims.KINDS if any(kind in line.worst for line in view.lines)],
            finding_links=_links("finding", [finding.id for finding in view.findings[: budget.rows]]),
            twin_links=_links("twin", [variant.key for variant in report.variants[: budget.rows]]),
            style=Markup(style),
            script=Markup(script),
            style_hash=_hash(style),
            script_hash=_hash(script),
        )
    )


def _links(what: str, names: list[str]) -> dict[str, str]:
    """Links within the page; a name that is safe as it stands is part of its link, so that links can be shared."""
    return {
        name: f"#{what}-{name.replace('/', '-')}" if _PLAIN.fullmatch(name) else f"#{what}-at-{place}"
        for place, name in enumerate(names)
    }


_PLAIN = re.compile(r"[A-Za-z0-9_/-]{1,80}")


def _excuses(exclusions: Sequence[Exclusion]) -> list[tuple[str, list[str]]]:
    """Why something does not apply, and what; the reasons with most names first."""
    reasons: dict[str, list[str]] = {}
    for entry in exclusions:
        reasons.setdefault(entry.why, []).append(wording.plain(entry.label))
    return sorted(reasons.items(), key=lambda reason: -len(reason[1]))


def _calibration_rows(report: AuditReport) -> list[tuple[str, Rates]]:
    """Error rates over all cases, then by method and by effect size."""
    facts = report.audit.calibration
    if facts is None:
        return []
    groups = [pair for name in ("method", "effect_size") for pair in facts.by.get(name, {}).items()]
    return [("all that sampling decides", facts.rates), *groups]


def _pictures(illustrations: tuple[Illustration, ...], characters: int) -> tuple[Picture, ...]:
    drawn: list[Picture] = []
    for illustration in illustrations:
        one = picture(illustration)
        characters -= one.weight + 60 * len(one.tokens)
        if characters < 0:
            break
        drawn.append(one)
    return tuple(drawn)


@functools.cache
def _engine() -> Environment:
    engine = Environment(
        loader=PackageLoader("auditor.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_harmless,
    )
    engine.filters.update(
        number=wording.number,
        share=wording.share,
        interval=wording.interval,
        flips=wording.flips,
        standing=wording.standing,
        setting=wording.setting,
        pairs=wording.pairs,
        moment=wording.moment,
        making=wording.making,
        weakest=wording.weakest,
        worst_string=wording.worst_string,
        yardstick=wording.yardstick,
        seeds_apart=wording.seeds_apart,
        breakable=_breakable,
        breakable_list=_breakable_list,
        worst_bin=wording.worst_bin,
        ranged=claims.ranged,
        what_decides=claims.what_decides,
    )
    engine.globals.update(sameness=wording.sameness, counted=wording.counted, claim_text=wording.claim_text)
    engine.globals.update(kind_heads=claims.KIND_HEADS, said=claims.SAID, letters=matrix.LETTERS, untested=UNTESTED)
    return engine


def _harmless(value: object) -> object:
    """Clean what an expression of the template prints; markup made by the template itself passes."""
    return wording.plain(value, 2000) if isinstance(value, str) and not isinstance(value, Markup) else value


def _breakable(name: str) -> Markup:
    """A name that may wrap after each underscore."""
    return Markup("_<wbr>").join(escape(part) for part in wording.plain(name).split("_"))


def _breakable_list(names: str) -> Markup:
    """Names that may wrap after each underscore, joined already."""
    return Markup("_<wbr>").join(escape(part) for part in wording.plain(names, 20_000).split("_"))


def _source(name: str) -> str:
    return resources.files("auditor.report").joinpath("templates", name).read_text("utf-8")


def _hash(source: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
