"""A search for a twin in several attempts, each judged on search sequences by the numbers of its certificate.

An attempt is a rung: a start, a setting and a number of optimiser steps. It may go on from an earlier attempt, and what
it does may depend on how those before it did. The first that passes with room to spare and reaches its aim ends the
search; otherwise the best one is handed on, and its certificate says what it misses. The budget counts optimiser steps,
never seconds: one seed gives one twin. The search sequences are fresh draws, never those of the certificate, so that
choosing the best attempt does not bias the bounds that are reported.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from auditor.behaviour.certificate import BEHAVIOURAL_MARGINS, certify_behavioural
from auditor.behaviour.evaluation import certificate_lengths
from auditor.behaviour.input_batch import InputBatch, Rewritten, draw_inputs
from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import TransformRequest
from auditor.records import Certificate, Json
from auditor.records.values import whole
from auditor.twins.room import used

RESTARTS = 3
"""Times the steps of the plan that a search may take, unless the plan says otherwise."""

SEARCH, LONGER_SEARCH = 1_000, 320
"""Sequences that judge an attempt: fewer than in a certificate, so that its bounds are wider and pass again there."""

ANSWERS = 12
"""Times as many for a classifier, which gives one answer a string and errs in few: as many as a certificate has."""

COMFORT = 0.85
"""Share of the KL margin below which an attempt is expected to pass again on other sequences."""

Progress = Callable[[float, str], None]
"""Called with the share done (0 to 1) and a few words; may raise to interrupt."""

Make = Callable[[CanonicalTransformer | None, np.random.Generator, Progress], CanonicalTransformer]
"""(the twin of the attempt it goes on from, which it may change; its generator; its progress) → a trained twin."""


@dataclass(frozen=True)
class Objective:
    """Whether a twin does what it was made for, on the search sequences, and the numbers that say so."""

    reached: bool = True
    progress: float = 0.0  # how near it came, the more the better
    numbers: Mapping[str, Json] = field(default_factory=dict)


Judge = Callable[[CanonicalTransformer, InputBatch], Objective]
"""(twin, search sequences) → what the certificate does not measure: say, how far attention moved."""


def no_objective(_twin: CanonicalTransformer, _search: InputBatch) -> Objective:
    """For twins that need only give the same outputs."""
    return Objective()


@dataclass(frozen=True)
class Rung:
    """One attempt to make: its name in the report, its optimiser steps, and how its twin is made."""

    name: str
    steps: int
    make: Make
    start: int | None = None  # the number of the attempt whose twin it goes on from; None: a new start


@dataclass(frozen=True)
class Attempt:
    """How one attempt did on the search sequences. KL in nats per scored token."""

    name: str
    steps: int
    model: CanonicalTransformer
    certificate: Certificate
    objective: Objective
    largest_kl: float = math.inf  # mean KL that the aim allows
    comfort: float = COMFORT
    room: float = 1.0

    @property
    def kl(self) -> float:
        """Mean KL; infinite where a logit is not finite."""
        found = self.certificate.kl_mean_nats
        return math.inf if found is None else found

    @property
    def is_comfortable(self) -> bool:
        """Whether the search may stop here."""
        return self.has_room and self.objective.reached and self.kl <= self.largest_kl

    @property
    def has_room(self) -> bool:
        """Whether it is expected to pass again on other sequences."""
        return is_comfortable(self.certificate, self.comfort) and used(self.certificate) <= self.room

    @property
    def rank(self) -> tuple[bool, bool, float, bool, float]:
        """Smaller is better: what passes, reaches its aim, comes nearer to it, has room, has the lower KL."""
        reached = self.objective.reached
        nearness = 0.0 if reached else -self.objective.progress
        return not self.certificate.passed, not reached, nearness, not self.has_room, self.kl

    def to_json(self) -> dict[str, Json]:
        """For the parameters of the variant."""
        found = self.certificate
        return {
            "rung": self.name,
            "steps": self.steps,
            "kl_mean_nats": found.kl_mean_nats,
            "kl_upper95_nats": found.kl_upper95_nats,
            "failures": list(found.failures),
            "aim_reached": self.objective.reached and self.kl <= self.largest_kl,
            **self.objective.numbers,
        }


@dataclass(frozen=True)
class Climbed:
    """The chosen twin, and every attempt in the order made."""

    chosen: int
    attempts: tuple[Attempt, ...]
    budget: int  # optimiser steps allowed

    @property
    def model(self) -> CanonicalTransformer:
        """The twin of the chosen attempt."""
        return self.attempts[self.chosen].model

    def to_json(self) -> dict[str, Json]:
        """For the parameters of the variant: every attempt, and what binds where none reaches its aim."""
        found: dict[str, Json] = {
            "chosen_attempt": self.chosen,
            "attempts": [attempt.to_json() for attempt in self.attempts],
            "budget_steps": self.budget,
            "spent_steps": sum(attempt.steps for attempt in self.attempts),
        }
        why = self.binding
        return found if why is None else {**found, "binding": why}

    @property
    def binding(self) -> str | None:
        """What keeps every attempt from its aim, or None where the chosen one reaches it and passes."""
        chosen = self.attempts[self.chosen]
        if chosen.certificate.passed and chosen.objective.reached and chosen.kl <= chosen.largest_kl:
            return None
        there = [attempt for attempt in self.attempts if attempt.objective.reached]
        if not there:
            return "no attempt reached the aim, whatever its outputs: the penalty does not move what it should"
        failures = Counter(f.split()[0] for attempt in there for f in attempt.certificate.failures)
        if failures:
            named = ", ".join(f"{name} ({count})" for name, count in failures.most_common())
            lowest = min(attempt.kl for attempt in there)
            return (
                f"of {len(there)} attempts that reached the aim these margins failed: {named}; lowest KL {lowest:.2g}"
            )
        return f"mean KL {chosen.kl:.2g} nats, above the {chosen.largest_kl:.2g} of the aim; every margin passes"


Next = Callable[[Sequence[Attempt]], Rung | None]
"""The attempts so far → the next rung, or None to end."""


def climb(
    next_rung: Next,
    original: CanonicalTransformer,
    *,
    budget: int,
    generator: np.random.Generator,
    progress: Progress,
    judge: Judge = no_objective,
    largest_kl: float = math.inf,
    comfort: float = COMFORT,
    room: float = 1.0,
    sequences: int = SEARCH,
) -> Climbed:
    """The first attempt that passes with room to spare and reaches its aim, or the best of them.

    Every attempt gets a generator of its own. The first is made in any case, and none that exceeds the ``budget`` after
    it. ``largest_kl``, in nats, is the mean KL at which the aim counts as reached; ``comfort`` is the share of the KL
    margin below which there is room to spare, and ``room`` the share of any margin; ``sequences`` is how many judge an
    attempt.
    """
    searching = generator.spawn(1)[0]
    search = search_sequences(original, searching, sequences)
    examine = examiner(original, search, searching)
    attempts: list[Attempt] = []
    spent = 0
    while (rung := next_rung(attempts)) is not None and (not attempts or spent + rung.steps <= budget):
        reported = _part(progress, spent, rung, budget)
        before = None if rung.start is None else attempts[rung.start].model.clone()
        twin = rung.make(before, generator.spawn(1)[0], reported)
        spent += rung.steps
        found = examine(twin), judge(twin, search)
        attempts.append(Attempt(rung.name, rung.steps, twin, *found, largest_kl, comfort, room))
        if attempts[-1].is_comfortable:
            break
    chosen = min(range(len(attempts)), key=lambda number: attempts[number].rank)
    return Climbed(chosen, tuple(attempts), budget)


def budget_of(parameters: Mapping[str, Json], steps: int) -> int:
    """Optimiser steps of a whole search as asked for: ``steps`` × ``restarts``."""
    return whole(parameters, "steps", steps) * restarts_of(parameters)


def budget_by_plan(request: TransformRequest, steps: int) -> int:
    """The same where a plan and no user sets it: for a classifier, which is gone on with oftener, half of it more."""
    budget = budget_of(request.parameters, steps)
    return budget + budget // 2 if request.model.architecture.is_classifier else budget


def restarts_of(parameters: Mapping[str, Json]) -> int:
    """How many times the steps of one attempt the plan allows."""
    return whole(parameters, "restarts", RESTARTS)


def search_sequences(
    original: CanonicalTransformer, generator: np.random.Generator, sequences: int = SEARCH
) -> InputBatch:
    """Sequences in distribution for the search alone."""
    count = sequences * (ANSWERS if original.architecture.is_classifier else 1)
    return draw_inputs(original.task, count, generator)


Examine = Callable[[CanonicalTransformer], Certificate]
"""twin → the certificate that it would get on search sequences."""


def examiner(original: CanonicalTransformer, search: InputBatch, generator: np.random.Generator) -> Examine:
    """Compares twins on ``search`` and on longer sequences, which are drawn for the search alone."""
    lengths = certificate_lengths(original)
    longer = None if lengths is None else draw_inputs(original.task, LONGER_SEARCH, generator, lengths=lengths)
    given, beyond = Rewritten(search, search), None if longer is None else Rewritten(longer, longer)

    def examine(twin: CanonicalTransformer) -> Certificate:
        ours = original.clone(dtype=twin.dtype)
        return certify_behavioural(ours, twin, given, beyond, generator=generator)

    return examine


def search_examiner(original: CanonicalTransformer, generator: np.random.Generator) -> Examine:
    """Compares twins on sequences that are drawn for it."""
    return examiner(original, search_sequences(original, generator), generator)


def is_comfortable(found: Certificate, share: float = COMFORT) -> bool:
    """Whether a twin is expected to pass again on other sequences: its KL is below this ``share`` of the margin."""
    upper = found.kl_upper95_nats
    return found.passed and upper is not None and upper <= share * BEHAVIOURAL_MARGINS["kl_upper95_nats"]


def _part(progress: Progress, spent: int, rung: Rung, budget: int) -> Progress:
    """Progress of one attempt as progress of all."""

    def report(share: float, words: str) -> None:
        progress(min(1.0, (spent + share * rung.steps) / max(budget, 1)), f"{rung.name}: {words}")

    return report
