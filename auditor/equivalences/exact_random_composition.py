"""Exact moves that keep the size of a model, one after another in random order."""

from __future__ import annotations

from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Equivalence, Transformed, TransformRequest, equivalences
from auditor.records import Compared, Kind, Relabelling

SEQUENCES = 8
"""Sequences shown to the moves, which need no more than the size of an activation."""


PARTS = {
    "exact_centred_writing": 1,
    "exact_embedding_trade": 1,
    "exact_head_permutation": 1,
    "exact_key_bias_shift": 1,
    "exact_logit_shift": 1,
    "exact_mean_direction_writing": 1,
    "exact_neuron_permutation": 1,
    "exact_neuron_rescaling": 1,
    "exact_norm_folding": 1,
    "exact_norm_null_shift": 1,
    "exact_query_key_gauge": 1,
    "exact_residual_rotation": 1,
    "exact_value_bias_shift": 1,
    "exact_value_output_gauge": 1,
}
"""Name and version of every move; another list, or another version of a move, is another version of the composition."""


class RandomComposition(Equivalence):
    """A composition of exact symmetries is an exact symmetry; this one changes every weight.

    Moves that widen the model are left out. Each step gets the model that the steps before it made, so a move
    may no longer apply (a norm that is folded already). Searches for worst cases are not part of it.
    """

    version = 1
    kind = Kind.EXACT
    parts = PARTS
    compares = Compared.LOG_PROBABILITIES
    smallest_plan = "quick"
    summary = "applies exact changes that keep the model's size, one after another in random order"
    needs = "nothing: some of the changes exist for every model"
    source = "this package; symmetries of one function form a group"

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Applies wherever any exact move does."""
        moves = _moves()
        return None if any(move.not_applicable(model) is None for move in moves.values()) else "no exact move applies"

    def transform(self, request: TransformRequest) -> Transformed:
        """The last model of the chain; ``parameters["moves"]`` names its steps in order."""
        model, inputs, generator, progress = request.model, request.inputs, request.generator, request.progress
        moves, shown = _moves(), inputs.rows(slice(0, min(SEQUENCES, len(inputs))))
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


def _moves() -> dict[str, Equivalence]:
    known = equivalences()
    return {name: known[name] for name in PARTS}
