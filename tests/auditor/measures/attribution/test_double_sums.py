"""Float32 by name becomes float64 inside the mode, and nowhere else."""

from __future__ import annotations

import torch

from auditor.measures.attribution.double_sums import DoubleSums


def test_only_what_is_asked_for_by_name_is_widened_and_only_inside() -> None:
    third = torch.tensor([1 / 3], dtype=torch.float64)
    with DoubleSums():
        inside = torch.zeros(2, dtype=torch.float), third.float(), torch.ones(1), torch.zeros(1, dtype=torch.int64)
    assert [t.dtype for t in inside] == [torch.float64, torch.float64, torch.float32, torch.int64]
    assert inside[1].item() == 1 / 3
    assert torch.zeros(2, dtype=torch.float).dtype == third.float().dtype == torch.float32
