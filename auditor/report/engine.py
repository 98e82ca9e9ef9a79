"""What templates of a report can say: the filters and words of the page, which the dashboard's pages use too.

Every string that a template prints is made harmless first and escaped then.
"""

from __future__ import annotations

import functools

from jinja2 import BaseLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from auditor.report import claims, matrix, wording
from auditor.report.folded import UNTESTED

LONGEST = 2000
"""Characters of one string on a page."""

TEMPLATES = PackageLoader("auditor.report", "templates")


def engine_for(loader: BaseLoader) -> Environment:
    """An engine for templates of this kind."""
    engine = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=harmless,
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
        worst_bin=wording.worst_bin,
        worst_string=wording.worst_string,
        yardstick=wording.yardstick,
        seeds_apart=wording.seeds_apart,
        words=wording.words,
        ranged=claims.ranged,
        what_decides=claims.what_decides,
        breakable=breakable,
        breakable_list=functools.partial(breakable, limit=20_000),
    )
    engine.globals.update(sameness=wording.sameness, counted=wording.counted, claim_text=wording.claim_text)
    engine.globals.update(kind_heads=claims.KIND_HEADS, said=claims.SAID, letters=matrix.LETTERS, untested=UNTESTED)
    return engine


@functools.cache
def report_engine() -> Environment:
    """The engine of the report's own templates."""
    return engine_for(TEMPLATES)


def harmless(value: object) -> object:
    """Clean what an expression of the template prints; markup made by the template itself passes."""
    return wording.plain(value, LONGEST) if isinstance(value, str) and not isinstance(value, Markup) else value


def breakable(name: str, limit: int = wording.TEXT_LIMIT) -> Markup:
    """A name that may wrap after each underscore."""
    return Markup("_<wbr>").join(escape(part) for part in wording.plain(name, limit).split("_"))
