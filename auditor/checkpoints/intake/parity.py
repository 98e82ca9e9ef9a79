"""Does the converted model compute what its source computes? Both are compared on the source's own inputs.

The converted model runs in float64; what may differ is the source's rounding, so the tolerance is that of the type in
which the reference was saved, times the size of the logits. A checkpoint in half precision may have been run in it,
whatever type its logits were saved in, so its type counts as well. Positions that hold PAD are not compared: what
stands behind the end of a string is nobody's promise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from auditor.canonical.model import CanonicalTransformer
from auditor.checkpoints.intake.reference import Reference
from auditor.errors import CheckpointError, ConfigurationError

TOLERANCES = {"float64": 1e-9, "float32": 2e-5, "float16": 1e-2, "bfloat16": 8e-2}
"""Per unit of the largest logit, at least 1. Float32 rounds at 6e-8; two layers of sums make 1e-6 to 1e-5 of it. A
wrong form of GELU shows at 1e-4, which half precision hides: float16 rounds at 5e-4, bfloat16 at 4e-3, and two layers
make up to ten times that."""

HALF = ("float16", "bfloat16")

SEQUENCES_TOGETHER = 256


@dataclass(frozen=True, slots=True)
class Parity:
    """How closely a converted model follows its source."""

    sequences: int
    compared: int  # positions, or strings of a classifier
    max_abs_difference: float
    tolerance: float
    checkpoint_precision: str
    reference_precision: str


def check_parity(model: CanonicalTransformer, reference: Reference, *, precision: str = "float32") -> Parity:
    """How far apart the logits are, if they agree. ``precision`` is the type of the weights in the checkpoint.

    Raises:
        CheckpointError: they do not; the first position that differs is named.
        ConfigurationError: the reference is for another kind of model.
        LanguageError: tokens that the model cannot read.
    """
    is_classifier = model.architecture.is_classifier
    if (reference.logits.ndim == 2) != is_classifier or reference.logits.shape[-1] != model.architecture.outputs:
        raise ConfigurationError(
            f"reference logits {list(reference.logits.shape)}",
            expected=("[sequence, " if is_classifier else "[sequence, position, ") + f"{model.architecture.outputs}]",
        )
    ours = _logits(model, reference)
    difference = np.abs(ours - reference.logits.astype(np.float64)).max(-1)
    pad = model.task.language.vocabulary.pad
    compared = np.ones(difference.shape, dtype=bool)
    if not is_classifier and pad is not None:
        compared = reference.tokens != pad
    scale = max(1.0, float(np.abs(reference.logits).max()))
    roundings = [TOLERANCES[reference.precision], *(TOLERANCES[precision] for _ in range(precision in HALF))]
    tolerance = scale * max(roundings)
    wrong = compared & ~(difference <= tolerance)
    if wrong.any():
        raise _mismatch(
            model,
            reference,
            ours,
            difference,
            np.argwhere(wrong)[0],
            f"at most {tolerance:.2g} for a checkpoint in {precision} and a reference in {reference.precision}",
        )
    return Parity(
        sequences=len(difference),
        compared=int(compared.sum()),
        max_abs_difference=float(difference[compared].max(initial=0.0)),
        tolerance=tolerance,
        checkpoint_precision=precision,
        reference_precision=reference.precision,
    )


@torch.no_grad()
def _logits(model: CanonicalTransformer, reference: Reference) -> np.ndarray:
    exact = model.clone(dtype=torch.float64)
    tokens = torch.from_numpy(np.ascontiguousarray(reference.tokens))
    return np.concatenate([exact(part).numpy() for part in torch.split(tokens, SEQUENCES_TOGETHER)])


def _mismatch(
    model: CanonicalTransformer,
    reference: Reference,
    ours: np.ndarray,
    difference: np.ndarray,
    place: np.ndarray,
    expected: str,
) -> CheckpointError:
    where = tuple(int(index) for index in place)
    output = int(np.abs(ours[where] - reference.logits[where]).argmax())
    name = f"class {output}"
    words = f"sequence {where[0]}"
    if not model.architecture.is_classifier:
        spellings = model.task.language.vocabulary.spellings
        name = f"token {spellings[output]!a}"
        words += f", position {where[1]} (after {spellings[int(reference.tokens[where])]!a})"
    return CheckpointError(
        f"the converted model differs from its reference first at {words}: the logit of {name} is "
        f"{ours[(*where, output)]:.6g}, the reference has {float(reference.logits[(*where, output)]):.6g} "
        f"(largest difference anywhere {difference.max():.3g})",
        expected=expected,
        action="correct what --config says (activation, heads, norm, order of tokens), or the reference",
    )
