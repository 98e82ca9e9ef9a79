"""The whole calibration: several hundred planted cases, their rates and whether these are good enough."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from auditor import zoo
from auditor.calibration.planted import attention_ladder, share_ladder
from auditor.calibration.random_explanation import RandomExplanation
from auditor.calibration.rates import MIDDLE, NEAR, Case, effect_size, power, rates_by, rates_of
from auditor.calibration.theorem import theorem_cases
from auditor.calibration.trials import Plot, plot_of, trial
from auditor.canonical.model import CanonicalTransformer
from auditor.checkpoints.intake.detection import load
from auditor.contracts import InterpretationMethod, Progress, methods, silent
from auditor.records import Component, Json, MeasuredRates, Rates
from auditor.seeds import numpy_generator
from auditor.verdicts.claims import KINDS_ASKED
from auditor.verdicts.verdict import Settings

GOALS: Mapping[str, tuple[float, float]] = {
    "false_unstable": (0.05, 0.08),
    "false_stable": (0.05, 0.08),
    "inconclusive": (0.20, 1.0),
}
"""Largest share, and largest upper end of its interval."""

UNDECIDED_GOALS: Mapping[str, float] = {NEAR: 0.25, MIDDLE: 0.10}
"""Largest share of undecided verdicts by effect size, after all looks."""

METHOD_ALARM = 0.2
"""Lower end of a method's own error interval from which on that method is called broken."""

SEQUENCES = 128
"""Per trial, as many as the quick plan draws; the power curve has fewer and more."""

LOOKS = 5
"""What is undecided is looked at again with twice the sequences, as `submit --decide` does; so many looks at most."""

POWER_SEQUENCES = (32, 512)
POPULATION = 600
COSTLY_POPULATION, DRAWN_POPULATION = 100, 300
"""Of integrated gradients, whose share ladder is linear, and of attention matrices, which are large."""

SCORED = ("ablation_head_mean", "ablation_head_zero", "random_explanation")
COSTLY = "attribution_head_integrated_gradients"
ATTENDED = ("attention_pattern", "attention_stack_top")
THEOREM_METHODS = "quick"
LADDER_HEADS = (Component(0, head=0), Component(0, head=1))
"""Those that score most: what moves a head that scores next to nothing moves nothing that anyone claims."""


@dataclass(frozen=True)
class Calibration:
    """Every case and what they add up to."""

    cases: tuple[Case, ...]
    settings: Mapping[str, Json]
    seconds: float

    @property
    def rates(self) -> Rates:
        """Over the cases that sampling decides; those by theorem must all be right and would only flatter."""
        return rates_of(case for case in self.cases if case.source != "theorem")

    @property
    def against_theory(self) -> tuple[Case, ...]:
        """Cases by theorem with another verdict."""
        return tuple(case for case in self.cases if case.source == "theorem" and case.verdict != case.truth)

    @property
    def failures(self) -> tuple[str, ...]:
        """Goals that are missed, and methods that are wrong too often; empty when all is well."""
        missed = [
            f"{method}: {count} verdicts against a theorem"
            for method, count in Counter(case.method for case in self.against_theory).items()
        ]
        for name, (share, upper) in GOALS.items():
            rate = getattr(self.rates, name)
            if rate.share is None or rate.share > share or rate.interval[1] > upper:
                seen = "unknown" if rate.share is None else f"{rate.share:.1%} (up to {rate.interval[1]:.1%})"
                missed.append(f"{name.replace('_', ' ')}: {seen}, goal {share:.0%} (up to {upper:.0%})")
        sizes = rates_by(self.cases, effect_size)
        for size, most in UNDECIDED_GOALS.items():
            undecided = sizes[size].inconclusive.share if size in sizes else None
            if undecided is None or undecided > most:
                seen = "unknown" if undecided is None else f"{undecided:.1%}"
                missed.append(f"undecided where the effect is {size} from the threshold: {seen}, goal {most:.0%}")
        for method, rates in rates_by(self.cases, lambda case: case.method).items():
            for name in ("false_unstable", "false_stable"):
                rate = getattr(rates, name)
                if rate.interval[0] > METHOD_ALARM:
                    missed.append(f"{method}: {name.replace('_', ' ')} in {rate.hits} of {rate.trials} cases")
        return tuple(missed)

    @property
    def measured(self) -> MeasuredRates:
        """What is printed and stored; cases are summed up by method, source and effect size."""
        return MeasuredRates(
            schema="dyck-audit/calibration/1",
            settings=self.settings,
            cases=len(self.cases),
            rates=self.rates,
            by={
                "method": rates_by(self.cases, lambda case: case.method),
                "claim": rates_by(self.cases, lambda case: case.claim),
                "source": rates_by(self.cases, lambda case: case.source),
                "look": {
                    f"the first of {SEQUENCES} sequences": rates_of(
                        replace(case, verdict=case.first) for case in self._ladder_cases()
                    ),
                    f"up to {LOOKS}, of at most {SEQUENCES * 2 ** (LOOKS - 1):,}": rates_of(self._ladder_cases()),
                },
                "effect_size": rates_by(sorted(self.cases, key=lambda case: case.margin), effect_size),
            },
            power={str(size): found for size, found in power(self._ladder_cases()).items()},
            failures=self.failures,
            passed=not self.failures,
            seconds=round(self.seconds, 1),
        )

    def _ladder_cases(self) -> list[Case]:
        """Those whose truth is planted, of which the first and the last verdict may differ."""
        return [case for case in self.cases if case.source == "ladder"]


def calibrate(
    settings: Settings,
    *,
    trials: int = 60,
    registry: Mapping[str, InterpretationMethod] | None = None,
    progress: Progress = silent,
) -> Calibration:
    """Audit planted truth. ``registry`` replaces the registered methods, for the tests.

    Raises:
        whatever ``progress`` raises, to interrupt.
    """
    started = time.perf_counter()
    settings = replace(settings, claims=KINDS_ASKED)
    known = {**(methods() if registry is None else registry), "random_explanation": RandomExplanation()}
    cases: list[Case] = []
    for step, case in enumerate(_cases(known, settings, trials, progress)):
        cases.append(case)
        if step % 20 == 0:
            progress(min(0.99, len(cases) / max(1, _expected_cases(trials))), f"{len(cases)} cases")
    all_settings = {**asdict(settings), "trials": trials, "sequences": SEQUENCES, "looks": LOOKS}
    return Calibration(tuple(cases), all_settings, time.perf_counter() - started)


def _expected_cases(trials: int) -> int:
    return 430 + 52 * trials


def _cases(
    known: Mapping[str, InterpretationMethod], settings: Settings, trials: int, progress: Progress
) -> Iterator[Case]:
    models = _models()
    quick = {name: one for name, one in known.items() if one.smallest_plan == THEOREM_METHODS}
    yield from theorem_cases(models, quick, settings, progress)
    plots = _plots(models[zoo.DEMONSTRATION], known, settings.seed)
    for number in range(trials):
        for plot in plots:
            yield from trial(plot, number, sequences=SEQUENCES, settings=settings, looks=LOOKS, again=True)
        for sequences in POWER_SEQUENCES if number % 2 == 0 else ():
            yield from trial(plots[0], number, sequences=sequences, settings=settings, looks=1, again=False)


def _models() -> Mapping[str, CanonicalTransformer]:
    """The bundled language models, in float64."""
    loaded = {name: load(zoo.path(name)).model.double() for name in zoo.names()}
    return {name: model for name, model in loaded.items() if not model.architecture.is_classifier}


def _plots(model: CanonicalTransformer, known: Mapping[str, InterpretationMethod], seed: int) -> Sequence[Plot]:
    """Ladders over heads of both layers, and one of attention."""
    scored = {name: known[name] for name in (*SCORED, COSTLY) if name in known}
    attended = {name: known[name] for name in ATTENDED if name in known}
    plots = [
        plot_of(
            f"shares of {head.label}",
            share_ladder(model, head, numpy_generator(seed, "calibration", "ladder", head.label)),
            scored,
            sequences={name: COSTLY_POPULATION if name == COSTLY else POPULATION for name in scored},
            seed=seed,
        )
        for head in LADDER_HEADS
    ]
    turned = attention_ladder(model, 1, numpy_generator(seed, "calibration", "ladder", "attention"))
    return [
        *plots,
        plot_of(
            "attention of a decoy pair",
            turned,
            attended,
            sequences=dict.fromkeys(attended, DRAWN_POPULATION),
            seed=seed,
        ),
    ]
