"""The equivalence: its laws, and values that are s times the old ones."""

from __future__ import annotations

import torch

from auditor.contracts import TransformRequest, equivalences
from auditor.seeds import numpy_generator
from auditor.testing import check_equivalence
from auditor.testing.models import inputs_for, random_model


def test_laws() -> None:
    check_equivalence("exact_value_rescaling", judged_by=("attention_distance", "ablation_head_zero", "weights_o_norm"))


def test_values_and_output_map_move_against_each_other() -> None:
    model = random_model()
    request = TransformRequest(model, inputs_for(model, 2), numpy_generator(0, "known"))
    twin = equivalences()["exact_value_rescaling"].transform(request).model
    for ours, theirs in zip(model.attentions, twin.attentions, strict=True):
        scale = theirs.W_V / ours.W_V
        torch.testing.assert_close(scale, scale[:1, :, :1].expand_as(scale))
        torch.testing.assert_close(theirs.output[0] * scale[0, :, :1, None], ours.output[0])
