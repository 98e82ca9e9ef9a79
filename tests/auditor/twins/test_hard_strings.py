"""The strings on which a twin of a classifier errs most are found, whether its model sees padding or not."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from auditor.canonical.model import CanonicalTransformer
from auditor.seeds import numpy_generator
from auditor.testing.families import FAMILIES, task_for
from auditor.twins.distillation import Pool, kl_to_teacher
from auditor.twins.hard_strings import HardStrings
from tests.handmade import random_model


@pytest.mark.parametrize("pad_masked", [True, False])
def test_the_strings_with_the_largest_kl_are_found(monkeypatch: pytest.MonkeyPatch, pad_masked: bool) -> None:
    monkeypatch.setattr("auditor.twins.hard_strings.HARDEST", 20)
    family = replace(FAMILIES["bidirectional classifier, RMS norm"], pad_masked=pad_masked)
    teacher = random_model(family, task_for(family), dtype=torch.float32)
    twin = teacher.clone()
    with torch.no_grad():
        twin.attentions[-1].W_V.neg_()
    strings = HardStrings(teacher, numpy_generator(0, "hard"), first_layer=0, steps=12)
    found = _errors(strings.hardest(twin), twin)
    assert len(found) == 20 < len(strings) < 600, "each string once"
    monkeypatch.setattr("auditor.twins.hard_strings.HARDEST", 600)
    every = _errors(strings.hardest(twin), twin)
    assert len(every) == len(strings)
    torch.testing.assert_close(found, every[:20])
    assert float(every[0]) > 2 * float(every[-1])


@torch.no_grad()
def _errors(pools: list[Pool], twin: CanonicalTransformer) -> torch.Tensor:
    """KL of each string in nats, the largest first."""
    found = [kl_to_teacher(pool, twin(pool.tokens).log_softmax(-1)) for pool in pools]
    return torch.cat(found).sort(descending=True).values
