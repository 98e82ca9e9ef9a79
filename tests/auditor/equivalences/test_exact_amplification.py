"""Amplified components lead, and the function stays; the laws check that it does on every architecture."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from auditor.contracts import Request, TransformRequest, equivalences, methods
from auditor.seeds import numpy_generator
from auditor.verdicts.alignment import align
from auditor.verdicts.claims import mean_scores
from tests.handmade import PLAIN, inputs_for, random_model

HEADS, NEURONS = "exact_head_amplification", "exact_neuron_amplification"


@pytest.mark.parametrize("target", [head.label for head in PLAIN.heads])
def test_any_head_can_lead_zero_and_mean_ablation(target: str) -> None:
    model = random_model()
    inputs = inputs_for(model)
    made = equivalences()[HEADS].transform(
        TransformRequest(model, inputs, numpy_generator(0, "x"), parameters={"target": target})
    )
    assert made.parameters["target_on_top"] is True
    assert made.model.architecture.blocks[int(target[1])].heads == 3
    found = methods()["ablation_head_zero"].interpret(Request(made.model, inputs, numpy_generator(0, "m")))
    scores = mean_scores(align(found, made.relabelling, model.architecture.heads))
    assert model.architecture.heads[int(scores.argmax())].label == target


@torch.no_grad()
def test_an_amplified_neuron_writes_ten_times_the_longest_and_its_copy_takes_it_back() -> None:
    model = random_model()
    made = equivalences()[NEURONS].transform(
        TransformRequest(model, inputs_for(model), numpy_generator(0, "x"), parameters={})
    )
    for old, new, target in zip(model.mlps, made.model.mlps, made.parameters["targets"], strict=True):
        assert float(new.W_out[target].norm()) > 10 * float(old.W_out.norm(dim=1).max())
        torch.testing.assert_close(new.W_out[target] + new.W_out[-1], old.W_out[target], rtol=0, atol=1e-9)


def test_one_head_leads_already_and_heads_without_an_output_map_fill_the_width() -> None:
    one = replace(PLAIN, blocks=(replace(PLAIN.blocks[0], heads=1),))
    assert "leads already" in (equivalences()[HEADS].not_applicable(random_model(one)) or "")
