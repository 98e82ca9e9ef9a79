"""The experiment: each planted claim against each kind of twin at each divergence, in distribution and longer."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from auditor.behaviour.certificate import LONGER_SEQUENCES, certify_behavioural
from auditor.behaviour.input_batch import InputBatch, Rewritten, draw_inputs
from auditor.calibration.mechanisms.attack import attacks, pools_of
from auditor.calibration.mechanisms.levels import (
    LEVELS,
    Path,
    divergence,
    largest_shares,
    log_probabilities,
    noise,
    towards,
)
from auditor.calibration.mechanisms.planted import MECHANISMS, Mechanism, PlantedClaim
from auditor.calibration.mechanisms.results import Experiment, Point
from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Progress, Request, TransformRequest, equivalences, methods, silent
from auditor.errors import AuditorError
from auditor.records import ORIGINAL, Claim, Interpretation, Kind, Relabelling, Variant, VariantState
from auditor.seeds import numpy_generator
from auditor.twins.fresh_start import fresh_start
from auditor.twins.matching import match
from auditor.verdicts.verdict import Settings, findings_of

SEQUENCES, LONGER = 128, (20, 30)
"""Sequences of each domain, and the lengths of the longer ones."""

CERTIFIED_ON = 800
"""Sequences of a certificate, as many as its margins need."""

NOISES = 3
"""Directions of noise: a claim falls to noise if any of them overturns it."""

IN_DISTRIBUTION, BEYOND = "in distribution", "longer"


@dataclass(frozen=True)
class _Twins:
    """One kind of twin of one model. ``levels`` None: as it comes."""

    kind: str
    paths: tuple[Path, ...]
    is_scaled: bool = True
    is_matched: bool = False  # whether heads are matched with the original's
    against: Claim | None = None  # the one claim it is made against; None: it is judged by all


def experiment(
    settings: Settings,
    *,
    steps: int = 200,
    levels: Sequence[float] = LEVELS,
    sequences: int = SEQUENCES,
    names: Sequence[str] = tuple(MECHANISMS),
    progress: Progress = silent,
) -> Experiment:
    """Run it. ``steps`` are optimiser steps of each trained twin; a fresh seed gets four times as many.

    Raises:
        AuditorError: a planted claim that does not hold for its own model.
        whatever ``progress`` raises, to interrupt.
    """
    started = time.process_time()
    points: list[Point] = []
    for number, name in enumerate(names):
        mechanism = MECHANISMS[name](name)

        def report(share: float, words: str, number: int = number, name: str = name) -> None:
            progress((number + share) / len(names), f"{name}: {words}")

        trial = _Trial(mechanism, settings, sequences, levels)
        made = 0
        for twins in _made(mechanism, steps, settings.seed, report):
            points += trial.points(twins)
            made += 1
        progress((number + 1) / len(names), f"{name}: {made} kinds of twin")
    how = {"seed": settings.seed, "draws": settings.draws, "alpha": settings.alpha, "steps": steps}
    return Experiment(
        tuple(points), {**how, "sequences": sequences, "levels": list(levels)}, time.process_time() - started
    )


def _made(mechanism: Mechanism, steps: int, seed: int, progress: Progress) -> Iterator[_Twins]:
    model, claims = mechanism.model, mechanism.claims
    parts = len(claims) + 2

    def generator(*names: str | int) -> np.random.Generator:
        return numpy_generator(seed, "mechanisms", mechanism.name, *names)

    def part(number: int, share: float, words: str) -> None:
        progress((number + share) / parts, words)

    pools = pools_of(model, generator("pools"))
    for number, one in enumerate(claims):
        twins = attacks(
            model, one, pools, steps=steps, generator=generator("attack", number), progress=partial(part, number)
        )
        yield _Twins("adversarial", tuple(towards(model, twin) for twin in twins), against=one.claim)
    for number, (kind, name, its_steps) in enumerate(
        (("random walk", "behavioural_random_walk", steps), ("fresh seed", "behavioural_fresh_seed", 4 * steps)),
        len(claims),
    ):
        given = draw_inputs(model.task, 256, generator(kind, "inputs"))
        sizes = {"steps": its_steps, "restarts": 1}
        request = TransformRequest(model, given, generator(kind), sizes, partial(part, number))
        twin = equivalences()[name].transform(request).model
        yield _Twins(kind, (towards(model, twin),), is_scaled=kind == "random walk", is_matched=True)
    yield _Twins("noise", tuple(noise(model, generator("noise", number)) for number in range(NOISES)))
    rounded = equivalences()["behavioural_int8"].transform(
        TransformRequest(model, draw_inputs(model.task, 1, generator("int8")), generator("int8"))
    )
    yield _Twins("int8", (towards(model, rounded.model),), is_scaled=False)
    untrained = tuple(towards(model, fresh_start(model, generator("untrained", number))) for number in range(NOISES))
    yield _Twins("random weights", untrained, is_scaled=False)


class _Trial:
    """One model, with the sequences of both domains and what the original scores on them."""

    def __init__(self, mechanism: Mechanism, settings: Settings, sequences: int, levels: Sequence[float]) -> None:
        self.mechanism, self.settings, self.levels = mechanism, settings, levels
        self.model = mechanism.model.clone(dtype=torch.float64)
        task = self.model.task
        drawn = partial(numpy_generator, settings.seed, "mechanisms", mechanism.name)
        self.domains = {
            IN_DISTRIBUTION: draw_inputs(task, sequences, drawn("known")),
            BEYOND: draw_inputs(task, sequences, drawn("longer"), lengths=LONGER),
        }
        self.certified_on = (
            draw_inputs(task, CERTIFIED_ON, drawn("certificate")),
            draw_inputs(task, LONGER_SEQUENCES, drawn("longer certificate"), lengths=LONGER),
        )
        self.log_p = {domain: log_probabilities(self.model, inputs) for domain, inputs in self.domains.items()}
        self.scores = {
            (domain, method): self._measured(self.model, inputs, method)
            for domain, inputs in self.domains.items()
            for method in sorted({one.claim.method for one in mechanism.claims})
        }
        self._check()

    def points(self, twins: _Twins) -> Iterator[Point]:
        """Every claim that the twins are judged by, at every level and in both domains."""
        for domain, inputs in self.domains.items():
            if not twins.is_scaled:
                yield from self._judged(twins, [path(1.0) for path in twins.paths], None, domain)
                continue
            shares = [largest_shares(self.log_p[domain], path, self.levels, inputs) for path in twins.paths]
            for number, level in enumerate(self.levels):
                models = [path(share[number]) for path, share in zip(twins.paths, shares, strict=True)]
                yield from self._judged(twins, models, level, domain)

    def _judged(
        self, twins: _Twins, models: Sequence[CanonicalTransformer], level: float | None, domain: str
    ) -> Iterator[Point]:
        inputs = self.domains[domain]
        divergences = [divergence(self.log_p[domain], model, inputs) for model in models]
        certified = [self._is_certified(model) for model in models]
        relabelling = [
            match(self.model, model, inputs).relabelling if twins.is_matched else Relabelling() for model in models
        ]
        measured: dict[tuple[int, str], Interpretation] = {}
        for one in self.mechanism.claims:
            if twins.against is not None and one.claim != twins.against:
                continue
            method = one.claim.method
            for index, model in enumerate(models):
                if (index, method) not in measured:
                    measured[index, method] = self._measured(model, inputs, method)
            scores = {f"{twins.kind}/{index}": measured[index, method] for index in range(len(models))}
            found = self._finding(one, scores, relabelling, domain)
            yield Point(
                model=self.mechanism.name,
                claim=one.claim.text,
                standing=one.standing,
                twin=twins.kind,
                domain=domain,
                level=level,
                kl_mean_nats=max(divergences) if math.isfinite(max(divergences)) else None,
                certified=sum(certified),
                twins=len(models),
                verdict=found,
            )

    def _finding(
        self,
        one: PlantedClaim,
        scores: Mapping[str, Interpretation],
        relabelling: Sequence[Relabelling],
        domain: str,
    ) -> str:
        """The verdict over all twins of a kind: overturned where one of them overturns it."""
        method = one.claim.method
        variants = [
            Variant(key, key.split("/")[0], Kind.BEHAVIOURAL, 0, VariantState.CERTIFIED, relabelling=moved)
            for key, moved in zip(scores, relabelling, strict=True)
        ]
        found = findings_of(
            "mechanisms",
            {method: methods()[method].card},
            variants,
            {
                (ORIGINAL, method): self.scores[domain, method],
                **{(key, method): value for key, value in scores.items()},
            },
            original=ORIGINAL,
            settings=self.settings,
            claims={method: [one.claim]},
        )
        return str(found[0].verdict)

    @torch.no_grad()
    def _is_certified(self, twin: CanonicalTransformer) -> bool:
        known, beyond = (Rewritten(inputs, inputs) for inputs in self.certified_on)
        generator = numpy_generator(self.settings.seed, "mechanisms", "certificate")
        return certify_behavioural(self.model, twin, known, beyond, generator=generator).passed

    def _measured(self, model: CanonicalTransformer, inputs: InputBatch, method: str) -> Interpretation:
        generator = numpy_generator(self.settings.seed, "mechanisms", "measure")
        return methods()[method].interpret(Request(model, inputs, generator))

    def _check(self) -> None:
        """Every planted claim must be stable where nothing was changed."""
        for domain in self.domains:
            for one in self.mechanism.claims:
                itself = {"itself/0": self.scores[domain, one.claim.method]}
                verdict = self._finding(one, itself, (Relabelling(),), domain)
                if verdict != "stable":
                    raise AuditorError(
                        f"{self.mechanism.name}, {domain}: {one.claim.text!r} is {verdict} beside the model itself",
                        expected="a claim that its own model shows clearly",
                        action="draw more sequences",
                    )
