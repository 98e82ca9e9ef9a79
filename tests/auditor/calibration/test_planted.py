"""Planted models: one function on every rung, and scores that move by the amount of the rung."""

from __future__ import annotations

import pytest
import torch

from auditor.calibration.planted import BASE_SHARE, Ladder, attention_ladder, share_ladder
from auditor.calibration.rates import Case
from auditor.calibration.trials import plot_of, trial
from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Request, methods
from auditor.records import Component, Interpretation
from auditor.seeds import numpy_generator
from auditor.verdicts.alignment import align
from auditor.verdicts.distances import pattern_variation
from auditor.verdicts.verdict import Settings
from tests.handmade import inputs_for, random_model

HEAD = Component(0, head=1)


def _ladders(model: CanonicalTransformer) -> dict[str, Ladder]:
    return {
        "shares": share_ladder(model, HEAD, numpy_generator(0, "ladder")),
        "attention": attention_ladder(model, 1, numpy_generator(0, "ladder")),
    }


@torch.no_grad()
@pytest.mark.parametrize("name", ["shares", "attention"])
def test_every_rung_computes_the_function_of_the_model(name: str) -> None:
    model = random_model()
    inputs, ladder = inputs_for(model), _ladders(model)[name]
    for rung, made in ladder.rungs.items():
        allowed = 0.1 if rung == "half precision" else 1e-9
        assert float((made.model(inputs.tokens) - model(inputs.tokens)).abs().max()) <= allowed, rung


def _scores(method: str, model: CanonicalTransformer) -> Interpretation:
    return methods()[method].interpret(Request(model, inputs_for(model), numpy_generator(0, "measure")))


def test_shares_move_the_norm_of_each_part_in_proportion_and_nothing_else() -> None:
    model = random_model()
    ladder = _ladders(model)["shares"]
    ours = _scores("weights_ov_norm", ladder.original).values
    theirs = _scores("weights_ov_norm", ladder.rungs["share 0.30"].model).values
    assert theirs[1] == pytest.approx(ours[1] * 0.30 / BASE_SHARE)
    assert theirs[2] == pytest.approx(ours[2] * 0.70 / (1 - BASE_SHARE))
    assert theirs[[0, 3, 4]] == pytest.approx(ours[[0, 3, 4]])


def test_decoys_leave_every_head_of_the_original_its_score() -> None:
    ladder = _ladders(random_model())["shares"]
    made = ladder.rungs["decoys"]
    aligned = align(_scores("ablation_head_mean", made.model), made.relabelling, ladder.original.architecture.heads)
    assert aligned.values == pytest.approx(_scores("ablation_head_mean", ladder.original).values, abs=1e-9)


def test_turning_the_queries_of_a_pair_moves_only_its_attention_and_more_with_each_rung() -> None:
    ladder = _ladders(random_model())["attention"]
    ours = _scores("attention_pattern", ladder.original).values
    moved = [
        pattern_variation(ours, _scores("attention_pattern", made.model).values).mean for made in ladder.rungs.values()
    ]
    pair = [float(m[-1]) for m in moved]
    assert pair[0] == pytest.approx(0.0, abs=1e-12)
    assert pair == sorted(pair)
    assert pair[-1] > 0.1
    assert all(m[:-2] == pytest.approx(0.0, abs=1e-9) for m in moved)


@pytest.mark.slow
def test_one_seed_gives_the_same_cases() -> None:
    named = {name: methods()[name] for name in ("ablation_head_mean", "attention_stack_top")}
    settings = Settings(draws=1_999, alpha=0.05, seed=3)

    def cases() -> list[Case]:
        ladder = _ladders(random_model())["shares"]
        plot = plot_of("p", ladder, named, sequences=dict.fromkeys(named, 30), seed=0)
        return list(trial(plot, 0, sequences=20, settings=settings, looks=2, again=True))

    assert cases() == cases()
    assert cases()
