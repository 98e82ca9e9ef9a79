"""One self-contained page from a document: no script, no request; pictures are inside it."""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Sequence
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from auditor.report import wording
from auditor.reproduction.plots import PICTURES, drawn, pictures
from auditor.reproduction.results import FallRate, Reproduction, Row

TEXT_LIMIT = 2_000


def render_page(found: Reproduction) -> str:
    """The page. What leaves its band is on the first screen."""
    style = resources.files("auditor.report").joinpath("templates", "style.css").read_text("utf-8")
    parts = list(dict.fromkeys([*(row.part for row in found.rows), *(table.part for table in found.tables)]))
    return (
        _engine()
        .get_template("reproduction.html.j2")
        .render(
            found=found,
            said=headline(found),
            parts=[(part, [row for row in found.rows if row.part == part]) for part in parts],
            images=_images(found),
            rates=_by_method(found.fall_rates),
            kinds=list(dict.fromkeys(rate.kind for rate in found.fall_rates)),
            style=Markup(style),
            style_hash="sha256-" + base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
        )
    )


def headline(found: Reproduction) -> str:
    """How many numbers lie in their bands, and what the scale means."""
    inside = len(found.compared) - len(found.outside)
    said = f"{inside} of {len(found.compared)} numbers lie in the band of their reference."
    if found.scale == "smoke":
        said += (
            " Scale smoke shortens training and uses few models: it shows that every part works, not what comes out."
        )
    return said


def ours(row: Row) -> str:
    """Our number, and the range over models where there are several."""
    if row.ours is None:
        return wording.plain(row.reason)
    ends = () if row.range is None else tuple(map(_digits, row.range))
    mean = _digits(row.ours)
    if row.inside is False and row.band is not None and row.band[0] <= float(mean) <= row.band[1]:
        mean = f"{row.ours:.5g}"  # rounded, it would seem to be inside
    return f"{mean} ({'–'.join(ends)})" if len(set(ends)) > 1 else mean


def _digits(value: float) -> str:
    """Four digits of what is close to 1, else three."""
    return wording.share(value) if 0.9 < value < 1 else wording.number(value)


def band(row: Row) -> str:
    """Both ends of the reference."""
    return wording.MISSING if row.band is None else f"{_digits(row.band[0])}–{_digits(row.band[1])}"


def _by_method(rates: Sequence[FallRate]) -> dict[str, dict[str, FallRate]]:
    found: dict[str, dict[str, FallRate]] = {}
    for rate in rates:
        found.setdefault(rate.method, {})[rate.kind] = rate
    return found


def _images(found: Reproduction) -> dict[str, list[tuple[str, Markup]]]:
    """The pictures of each part."""
    images: dict[str, list[tuple[str, Markup]]] = {}
    for name in pictures(found):
        images.setdefault(PICTURES[name][2], []).append(_image(found, name))
    return images


def _image(found: Reproduction, name: str) -> tuple[str, Markup]:
    """(what it shows, the picture as a data URL, which is longer than any text may be)."""
    data = base64.b64encode(drawn(found, name, "svg")).decode()
    return (PICTURES[name][0].__doc__ or name), Markup("data:image/svg+xml;base64,") + data


@functools.cache
def _engine() -> Environment:
    engine = Environment(
        loader=PackageLoader("auditor.reproduction", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: (
            wording.plain(value, TEXT_LIMIT) if isinstance(value, str) and not isinstance(value, Markup) else value
        ),
    )
    engine.filters.update(
        number=wording.number, share=wording.share, interval=wording.interval, setting=wording.setting
    )
    engine.globals.update(ours=ours, band=band)
    return engine
