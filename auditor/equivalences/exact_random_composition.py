"""Every other exact move that applies, one after another in random order."""

from __future__ import annotations

from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Equivalence, Transformed, TransformRequest, equivalences
from auditor.records import Compared, Kind, Relabelling

SEQUENCES = 8
"""Sequences shown to the moves, which need no more than the size of an activation."""


class RandomComposition(Equivalence):
    """A composition of exact symmetries is an exact symmetry; this one changes every weight.

    Moves that widen the model are left out. Each step gets the model that the steps before it made, so a move
    may no longer apply (a norm that is folded already). Searches for worst cases are not part of it.
    """

    version = 1
    kind = Kind.EXACT
    compares = Compared.LOG_PROBABILITIES
    smallest_plan = "quick"
    summary = "applies every other exact change of the same size in random order"
    needs = "nothing: some exact change exists for every model"
    promise = "max|Δlog p| ≤ 1e-9 in float64"
    source = "this package; symmetries of one function form a group"

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Applies wherever any exact move does."""
        moves = _moves(self)
        return None if any(move.not_applicable(model) is None for move in moves.values()) else "no exact move applies"

    def transform(self, request: TransformRequest) -> Transformed:
        """The last model of the chain; ``parameters["moves"]`` names its steps in order."""
        model, inputs, generator, progress = request.model, request.inputs, request.generator, request.progress
        moves, shown = _moves(self), inputs.rows(slice(0, min(SEQUENCES, len(inputs))))
        twin, relabelling, steps = model.clone(), Relabelling(), []
        for done, name in enumerate(generator.permutation(sorted(moves)).tolist()):
            progress(done / len(moves), name)
            move = moves[name]
            if move.not_applicable(twin) is not None:
                continue
            choice = next(iter(move.choices(twin.architecture, 1)))
            made = move.transform(TransformRequest(twin, shown, generator, parameters=choice))
            twin, relabelling = made.model, made.relabelling.after(relabelling)
            steps.append(name)
        return Transformed(twin, relabelling, {"moves": steps})


def _moves(composition: Equivalence) -> dict[str, Equivalence]:
    """All exact moves of the same size but compositions."""
    return {
        name: move
        for name, move in equivalences().items()
        if move.kind is Kind.EXACT and not move.widens and not isinstance(move, type(composition))
    }
