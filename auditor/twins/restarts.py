"""Several attempts at a twin, judged on search sequences by the numbers of its certificate.

The search sequences are fresh draws, never those of the certificate, so that choosing the best attempt does not bias
the bounds that are reported. The first attempt that passes with room to spare ends the search; otherwise the best one
is handed on, and its certificate says what it misses. The budget counts attempts and steps, never seconds: one seed
gives one twin.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from auditor.behaviour.certificate import BEHAVIOURAL_MARGINS, LONGER_SEQUENCES, certify_behavioural
from auditor.behaviour.evaluation import certificate_lengths
from auditor.behaviour.input_batch import InputBatch, Rewritten, draw_inputs
from auditor.canonical.model import CanonicalTransformer
from auditor.records import Certificate, Json
from auditor.records.values import whole

RESTARTS = 2
"""Attempts unless the plan says otherwise."""

SEARCH = 2_000
"""Sequences that judge an attempt; longer ones are as many as a certificate needs."""

COMFORT = 0.85
"""Share of the KL margin below which an attempt is expected to pass again on other sequences."""

Progress = Callable[[float, str], None]
"""Called with the share done (0 to 1) and a few words; may raise to interrupt."""

Make = Callable[[int, np.random.Generator, Progress], CanonicalTransformer]
"""(number of the attempt from 0, its generator, its progress) → a trained twin."""


@dataclass(frozen=True)
class Objective:
    """Whether a twin does what it was made for, on the search sequences, and the numbers that say so."""

    reached: bool = True
    numbers: Mapping[str, Json] = field(default_factory=dict)


Judge = Callable[[CanonicalTransformer, InputBatch], Objective]
"""(twin, search sequences) → what the certificate does not measure: say, how far attention moved."""


def no_objective(_twin: CanonicalTransformer, _search: InputBatch) -> Objective:
    """For twins that need only give the same outputs."""
    return Objective()


@dataclass(frozen=True)
class Attempt:
    """How one attempt did on the search sequences. KL in nats per scored token."""

    certificate: Certificate
    objective: Objective

    @property
    def is_comfortable(self) -> bool:
        """Whether the search may stop here."""
        upper = self.certificate.kl_upper95_nats
        limit = COMFORT * BEHAVIOURAL_MARGINS["kl_upper95_nats"]
        return self.certificate.passed and self.objective.reached and upper is not None and upper <= limit

    @property
    def rank(self) -> tuple[bool, bool, float]:
        """Smaller is better: first what passes, then what reaches its aim, then the lower KL."""
        kl = self.certificate.kl_mean_nats
        return not self.certificate.passed, not self.objective.reached, math.inf if kl is None else kl

    def to_json(self) -> dict[str, Json]:
        """For the parameters of the variant."""
        found = self.certificate
        return {
            "kl_mean_nats": found.kl_mean_nats,
            "kl_upper95_nats": found.kl_upper95_nats,
            "failures": list(found.failures),
            "aim_reached": self.objective.reached,
            **self.objective.numbers,
        }


@dataclass(frozen=True)
class Best:
    """The chosen twin, and every attempt in the order made; no attempts where there was no choice."""

    model: CanonicalTransformer
    chosen: int
    attempts: tuple[Attempt, ...]

    def to_json(self) -> dict[str, Json]:
        """For the parameters of the variant."""
        return {"chosen_attempt": self.chosen, "attempts": [attempt.to_json() for attempt in self.attempts]}


def best_of(
    make: Make,
    original: CanonicalTransformer,
    *,
    restarts: int,
    generator: np.random.Generator,
    progress: Progress,
    judge: Judge = no_objective,
) -> Best:
    """The first of up to ``restarts`` attempts that passes with room to spare, or the best of them.

    Every attempt gets a generator of its own. A single attempt is not judged: its certificate is.
    """
    seeds = generator.spawn(restarts + 1)
    if restarts <= 1:
        return Best(make(0, seeds[0], progress), 0, ())
    search, longer = _search_sequences(original, seeds[-1])
    twins: list[CanonicalTransformer] = []
    attempts: list[Attempt] = []
    for number in range(restarts):
        twins.append(make(number, seeds[number], _part(progress, number, restarts)))
        attempts.append(_judged(original, twins[-1], search, longer, seeds[-1], judge))
        if attempts[-1].is_comfortable:
            break
    chosen = min(range(len(attempts)), key=lambda number: attempts[number].rank)
    return Best(twins[chosen], chosen, tuple(attempts))


def _search_sequences(
    model: CanonicalTransformer, generator: np.random.Generator
) -> tuple[InputBatch, InputBatch | None]:
    """Sequences like those of a certificate, drawn for the search alone."""
    lengths = certificate_lengths(model)
    search = draw_inputs(model.task, SEARCH, generator)
    return search, None if lengths is None else draw_inputs(model.task, LONGER_SEQUENCES, generator, lengths=lengths)


def _judged(
    original: CanonicalTransformer,
    twin: CanonicalTransformer,
    search: InputBatch,
    longer: InputBatch | None,
    generator: np.random.Generator,
    judge: Judge,
) -> Attempt:
    ours = original.clone(dtype=twin.dtype)
    given = Rewritten(search, search)
    beyond = None if longer is None else Rewritten(longer, longer)
    certificate = certify_behavioural(ours, twin, given, beyond, generator=generator)
    return Attempt(certificate, judge(twin, search))


def _part(progress: Progress, number: int, of: int) -> Progress:
    """Progress of one attempt as progress of all."""

    def report(share: float, words: str) -> None:
        progress((number + share) / of, f"attempt {number + 1}: {words}")

    return report


def restarts_of(parameters: Mapping[str, Json]) -> int:
    """How many attempts the plan allows."""
    return whole(parameters, "restarts", RESTARTS)
