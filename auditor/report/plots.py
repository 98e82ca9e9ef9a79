"""Pictures of a report for papers and slides: SVG, PNG and PDF by Matplotlib, the same bytes for the same report.

Colour is never alone: verdicts are letters too, kinds of equivalence have their own marks. The ids inside an SVG carry
the name of the audit and of the picture, so that two pictures fit on one page.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from auditor.errors import NotFoundError, ReportError
from auditor.records import ORIGINAL, AuditReport, Json, Kind, Variant, VariantState, Verdict
from auditor.report.claims import claim_lines
from auditor.report.matrix import LETTERS, matrix_of
from auditor.report.wording import claim_text, number, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

FORMATS: Final = ("svg", "png", "pdf")

METADATA: Final[Mapping[str, Mapping[str, None]]] = {
    "svg": {"Date": None},
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "ModDate": None, "Creator": None, "Producer": None},
}
"""What would make two files differ, by format: left out."""

COLOURS: Final = {Verdict.UNSTABLE: "#d95f02", Verdict.INCONCLUSIVE: "#e6c700", Verdict.STABLE: "#1b9e77"}
MARKS: Final = {Kind.EXACT: "|", Kind.BEHAVIOURAL: "D", Kind.INPUT: "^"}
MOST_ROWS: Final = 40
"""Rows of a picture; what is left out is counted in its title."""


def attention(report: AuditReport) -> Figure:
    """Attention of the head that moved most, original beside twin; the query runs down, the key to the right."""
    if not report.illustrations:
        raise _nothing("attention map", "a method that reads attention patterns, and a certified twin")
    one = max(report.illustrations, key=lambda drawn: drawn.total_variation)
    figure, axes = _figure(1, 2, width=9.0, height=4.8)
    places = range(len(one.tokens))
    labels = [plain(token, 12) for token in one.tokens]
    for axis, weights, title in zip(axes, (one.original, one.twin), ("original", plain(one.variant)), strict=True):
        axis.imshow(weights, cmap="Blues", vmin=0.0, vmax=1.0)
        axis.set_xticks(places, labels, rotation=90, fontsize=7)
        axis.set_yticks(places, labels, fontsize=7)
        axis.set_title(title, fontsize=9)
    axes[0].set_ylabel("query")
    figure.suptitle(f"{one.component.label}: total variation {number(one.total_variation)}", fontsize=10)
    return figure


def matrix(report: AuditReport) -> Figure:
    """Method × equivalence, a letter and a colour a field: U unstable, I inconclusive, S stable."""
    found = matrix_of(report)
    columns = [i for i, _ in enumerate(found.columns) if any(row.fields[i].total for row in found.rows)]
    rows = [row for row in found.rows if any(field.total for field in row.fields)]
    if not columns:
        raise _nothing("verdict", "an audit with a certified variant")
    figure, (axis,) = _figure(1, 1, width=4.0 + 0.32 * len(columns), height=2.6 + 0.24 * len(rows))
    for down, row in enumerate(rows):
        for across, index in enumerate(columns):
            verdict = row.fields[index].verdict
            if verdict is not None:
                axis.add_patch(_square(across, down, COLOURS[verdict]))
                axis.text(across, down, LETTERS[verdict], ha="center", va="center", fontsize=7)
    axis.set_xlim(-0.5, len(columns) - 0.5)
    axis.set_ylim(len(rows) - 0.5, -0.5)
    names = [plain(found.columns[index].equivalence) for index in columns]
    axis.set_xticks(range(len(columns)), names, rotation=90, fontsize=7)
    axis.set_yticks(range(len(rows)), [plain(row.method) for row in rows], fontsize=7)
    axis.set_title("U unstable · I inconclusive · S stable", fontsize=9)
    return figure


def ablation(report: AuditReport) -> Figure:
    """Scores of every component by each ablation of heads: the original with its interval, and all variants."""
    entries = [
        entry
        for entry in report.interpretations
        if entry.variant == ORIGINAL and entry.method.startswith("ablation_head") and any(entry.values)
    ]
    if not entries:
        raise _nothing("ablation of heads", "a plan with a method ablation_head_…")
    variants = {variant.key: variant for variant in report.variants if variant.state is VariantState.CERTIFIED}
    figure, axes = _figure(len(entries), 1, width=7.5, height=1.0 + 1.9 * len(entries))
    for axis, entry in zip(axes, entries, strict=True):
        _scores(axis, report, entry.method, variants)
        axis.set_title(f"{plain(entry.method)}, {plain(entry.unit)}", fontsize=9)
    return figure


def rashomon(report: AuditReport) -> Figure:
    """How far the number of each claim goes over all certified variants, beside the original's."""
    spreads = []
    for line in claim_lines(report):
        found = line.deciding.rashomon
        if found is not None and found.overall is not None:
            spreads.append((line, found))
    if not spreads:
        raise _nothing("claim with a range over variants", "an audit with a certified variant")
    shown = spreads[:MOST_ROWS]
    figure, (axis,) = _figure(1, 1, width=9.0, height=1.4 + 0.3 * len(shown))
    axis.set_xscale("symlog", linthresh=1.0)
    plain_numbers(axis.xaxis)
    for down, (line, found) in enumerate(shown):
        low, high = found.overall
        axis.plot([low, high], [down, down], color=COLOURS[line.verdict], linewidth=3, solid_capstyle="butt")
        axis.plot([found.original], [down], marker="o", color="black", markersize=4)
    texts = [
        f"{LETTERS[line.verdict]}  {claim_text(line.claim)[:70]} ({plain(found.quantity)})" for line, found in shown
    ]
    axis.set_yticks(range(len(shown)), texts, fontsize=7)
    axis.set_ylim(len(shown) - 0.5, -0.5)
    left = len(spreads) - len(shown)
    more = f"; {left} claims more" if left else ""
    axis.set_title(f"dot: audited model; bar: over all certified variants{more}", fontsize=9)
    return figure


def ladder(report: AuditReport) -> Figure:
    """Every attempt at the trained twins: what it moved against the KL to the original; certified ones are filled."""
    found = [(variant, attempt) for variant in report.variants for attempt in _attempts(variant)]
    if not found:
        raise _nothing("search for a twin", "a plan with a trained twin that is searched for, as adversarial attention")
    figure, (axis,) = _figure(1, 1, width=7.0, height=4.5)
    names = list(dict.fromkeys(variant.equivalence for variant, _ in found))
    for place, name in enumerate(names):
        own = [attempt for variant, attempt in found if variant.equivalence == name]
        for certified in (True, False):
            points = [point for point, passed in own if passed is certified]
            if points:
                colour = f"C{place % 10}"
                axis.plot(
                    [x for x, _ in points],
                    [y for _, y in points],
                    linestyle="none",
                    marker="o",
                    color=colour,
                    markerfacecolor=colour if certified else "none",
                    label=f"{plain(name)}{'' if certified else ', not certified'}",
                )
    axis.set_xscale("log")
    plain_numbers(axis.xaxis)
    axis.set_xlabel("mean KL to the original, nats per token")
    axis.set_ylabel("least total variation of a head's attention")
    axis.legend(fontsize=7)
    return figure


PICTURES: Final[Mapping[str, Callable[[AuditReport], Figure]]] = {
    "attention": attention,
    "matrix": matrix,
    "ablation": ablation,
    "rashomon": rashomon,
    "ladder": ladder,
}
"""What can be drawn, by name."""


def drawn(report: AuditReport, what: str, form: str) -> bytes:
    """The picture as a file of one of ``FORMATS``.

    Raises:
        NotFoundError: no such picture or format.
        ReportError: the report holds nothing to draw in it.
    """
    if what not in PICTURES:
        raise NotFoundError(f"no picture {what!r}", expected=", ".join(PICTURES))
    if form not in FORMATS:
        raise NotFoundError(f"no format {form!r}", expected=" or ".join(f"--out FILE.{name}" for name in FORMATS))
    import matplotlib as mpl

    salt = f"{report.audit.id}-{what}"
    fixed: Any = {"svg.hashsalt": salt, "svg.fonttype": "path", "font.family": "DejaVu Sans", "text.parse_math": False}
    with mpl.rc_context(fixed):
        file = io.BytesIO()
        figure = PICTURES[what](report)
        figure.savefig(file, format=form, metadata=dict(METADATA[form]), dpi=150)
    return file.getvalue()


def _figure(rows: int, columns: int, *, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """An empty figure, sizes in inches, without the global state of pyplot."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, list(figure.subplots(rows, columns, squeeze=False).flat)


def _square(across: int, down: int, colour: str) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((across - 0.45, down - 0.45), 0.9, 0.9, color=colour, alpha=0.55, linewidth=0)


def _scores(axis: Axes, report: AuditReport, method: str, variants: Mapping[str, Variant]) -> None:
    axis.set_yscale("symlog", linthresh=0.1)
    plain_numbers(axis.yaxis)
    base = next(entry for entry in report.interpretations if (entry.variant, entry.method) == (ORIGINAL, method))
    for entry in report.interpretations:
        if entry.method != method or entry.variant not in variants:
            continue
        kind = variants[entry.variant].kind
        places, values = _defined(entry.values)
        axis.plot(places, values, linestyle="none", marker=MARKS[kind], color="0.55", markersize=5)
    for index, bounds in enumerate(base.intervals):
        if bounds is not None:
            axis.plot([index, index], bounds, color="black", linewidth=1)
    places, values = _defined(base.values)
    axis.plot(places, values, linestyle="none", marker="o", color="black", markersize=4)
    axis.set_xticks(range(len(base.components)), [component.label for component in base.components], fontsize=7)


def plain_numbers(axis: Axis) -> None:
    """Numbers as text: a logarithmic axis writes formulas, which are switched off so that names stay names."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    axis.set_minor_formatter(NullFormatter())


def _defined(values: Sequence[float | None]) -> tuple[list[int], list[float]]:
    pairs = [(index, value) for index, value in enumerate(values) if value is not None]
    return [index for index, _ in pairs], [value for _, value in pairs]


def _attempts(variant: Variant) -> Iterator[tuple[tuple[float, float], bool]]:
    """((mean KL, least total variation), certified) of each attempt that was measured."""
    made: Json = variant.parameters.get("attempts")
    for attempt in made if isinstance(made, (list, tuple)) else ():
        if not isinstance(attempt, Mapping):
            continue
        kl, moved = attempt.get("kl_mean_nats"), attempt.get("total_variation")
        if isinstance(kl, (int, float)) and isinstance(moved, (list, tuple)) and moved:
            yield (max(float(kl), 1e-9), min(float(str(value)) for value in moved)), not attempt.get("failures")


def _nothing(what: str, needed: str) -> ReportError:
    return ReportError(f"the report has no {what} to draw", expected=needed)
