"""A twin on the straight line between the model and a student from another seed, laid over it."""

from __future__ import annotations

import torch

from auditor.behaviour.certificate import BEHAVIOURAL_MARGINS
from auditor.behaviour.comparison import compare
from auditor.behaviour.input_batch import InputBatch, Rewritten
from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Equivalence, Transformed, TransformRequest
from auditor.records import Json, Kind
from auditor.twins.attention_distance import total_variation
from auditor.twins.fresh_student import distilled_from_scratch
from auditor.twins.ladder import is_comfortable, search_examiner
from auditor.twins.superposition import between, superposed

SHARES = (0.5, 0.4, 0.3, 0.2, 0.15, 0.1, 0.05)
"""How far towards the student, the largest first."""

BARRIER_SEQUENCES = 500
"""Search sequences on which the KL of every share is measured."""


class AlignedInterpolation(Equivalence):
    """A fresh student learns the original's outputs, is laid over it by exact symmetries, and weights are averaged.

    Norms are folded in both, the student's stream is turned towards the original's by an orthogonal map (Procrustes on
    activations), heads and neurons are matched, and each head and ReLU neuron takes over the original's bases; none of
    this changes either function. W = (1 − α) W_original + α W_student: the largest α whose twin passes on search
    sequences is taken. Where none does, a barrier stands between the two mechanisms, and the smallest α is handed on.
    """

    version = 1
    kind = Kind.BEHAVIOURAL
    smallest_plan = "full"
    summary = "weights averaged with those of a student from another seed, after permutation and orthogonal alignment"
    needs = "nothing"
    source = (
        "Theus et al. 2025, arXiv 2506.22712 (linear mode connectivity of Transformers); "
        "Ainsworth et al. 2023, arXiv 2209.04836 (weight matching)"
    )

    def transform(self, request: TransformRequest) -> Transformed:
        """The twin in float32; ``parameters`` reports α, the KL at every α, and how far attention moved."""
        model, inputs = request.model, request.inputs
        student = distilled_from_scratch(request)
        if not all(bool(weight.isfinite().all()) for weight in student.model.parameters()):
            return Transformed(student.model, parameters=student.to_json())
        ours, theirs = superposed(model, student.model, inputs)
        twins = {share: between(ours, theirs, share) for share in SHARES}
        barrier = {share: _kl(model, twin, inputs) for share, twin in twins.items()}
        examine, margin = search_examiner(model, request.generator), BEHAVIOURAL_MARGINS["kl_upper95_nats"]
        near = [share for share in SHARES if barrier[share] <= margin]  # no other can pass
        passing = next((share for share in near if is_comfortable(examine(twins[share]))), None)
        alpha = min(SHARES) if passing is None else passing
        twin = twins[alpha].float()
        moved = total_variation(model.clone(dtype=torch.float32), twin, inputs, (model.architecture.layers - 1,))
        found: dict[str, Json] = {name: value for name, value in student.to_json().items() if name != "binding"}
        found |= {
            "alpha": alpha,
            "kl_mean_nats_by_alpha": {f"{share:g}": kl for share, kl in barrier.items()},
            "total_variation": moved.tolist(),
        }
        if passing is None:
            highest = max(barrier.values())
            found["binding"] = (
                f"a barrier between the models: KL rises to {highest:.2g} nats on the line, and none passes"
            )
        return Transformed(twin, parameters=found)


def _kl(model: CanonicalTransformer, twin: CanonicalTransformer, inputs: InputBatch) -> float:
    """Mean KL in nats per scored output on some of the inputs."""
    few = inputs.rows(slice(0, BARRIER_SEQUENCES))
    return float(compare(model.clone(dtype=twin.dtype), twin, Rewritten(few, few)).kl.mean())
