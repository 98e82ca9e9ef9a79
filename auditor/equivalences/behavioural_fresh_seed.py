"""A model trained on the same task from another seed: the experiment of Wen et al. 2023."""

from __future__ import annotations

from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Equivalence, Progress, Transformed, TransformRequest
from auditor.errors import ConfigurationError
from auditor.records import Kind
from auditor.records.values import whole
from auditor.training.fit import DEFAULT, Schedule, check_trainable, train
from auditor.twins.fresh_start import fresh_start, new_seed
from auditor.twins.matching import match


class FreshSeed(Equivalence):
    """The same architecture is trained on the task from random weights; the original's outputs are not used.

    Two models that solve one task need not be one function: their errors differ, and the certificate says by how
    much. Heads and neurons are matched with the original's on the search sequences.
    """

    version = 1
    kind = Kind.BEHAVIOURAL
    summary = "trained on the same task from another seed; heads and neurons are matched with the original's"
    needs = "a model that this project can train: a causal language model, or a classifier of two classes"
    promise = "none: the certificate measures whether both seeds came to the same function"
    source = "Wen et al. 2023, arXiv 2312.01429, section 4.1; Li et al. 2016, arXiv 1511.07543 (convergent learning)"

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """A model that cannot be trained here cannot be trained from another seed."""
        try:
            check_trainable(model.architecture, model.task)
        except ConfigurationError as wrong:
            return f"the model cannot be trained here: {wrong.found}"
        return None

    def transform(self, request: TransformRequest) -> Transformed:
        """The trained model in float32; ``parameters["steps"]`` sets the effort.

        There are no further attempts: the closest of several seeds would not show what training gives.
        """
        model, inputs, generator, parameters, progress = (
            request.model,
            request.inputs,
            request.generator,
            request.parameters,
            request.progress,
        )
        schedule = Schedule(steps=whole(parameters, "steps", DEFAULT.steps))
        twin = fresh_start(model, generator)
        accuracy = _train(twin, schedule, new_seed(generator), progress)
        found = match(model, twin, inputs)
        return Transformed(twin, found.relabelling, {"steps": schedule.steps, "accuracy": accuracy, **found.to_json()})


def _train(student: CanonicalTransformer, schedule: Schedule, seed: int, progress: Progress) -> float:
    """Train in place; the last accuracy on held-out sequences. Training that diverges ends where it did."""
    accuracy = 0.0
    try:
        for point in train(student, schedule, seed):
            accuracy = point.accuracy
            words = f"step {point.step:,} of {schedule.steps:,}: loss {point.loss:.4f}, accuracy {accuracy:.3f}"
            progress(point.step / schedule.steps, words)
    except ConfigurationError as diverged:
        progress(1.0, str(diverged))
    return accuracy
