"""Half precision has a tolerance of its own, and the message names the precision of each side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import save_file

from auditor.checkpoints.intake.detection import load
from auditor.checkpoints.intake.parity import TOLERANCES, check_parity
from auditor.checkpoints.intake.reference import read_reference
from auditor.errors import CheckpointError
from tests.foreign import MAKERS
from tests.foreign.files import Saved
from tests.foreign.source import Source, token_batches

pytestmark = pytest.mark.slow

HALVES = ("float16", "bfloat16")


def _saved(source: Source, folder: Path, precision: str, *, kind: str = ".npz", computed_in: str = "") -> Saved:
    """Weights in a precision, and logits that the source computes with them in it (or in another)."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = getattr(torch, precision)
    source.module.to(weights)
    tensors = source.tensors
    content = {"model": tensors, "model_args": dict(source.library)} if source.library else tensors
    torch.save(content, folder / "m.pt")
    source.module.to(getattr(torch, computed_in or precision))
    tokens = token_batches(np.random.default_rng(0))[0]
    with torch.no_grad():
        logits = source.logits(tokens)
    path = folder / f"reference{kind}"
    if kind == ".npz":
        saved = logits.float() if logits.dtype is torch.bfloat16 else logits
        np.savez(path, tokens=tokens.numpy(), logits=saved.numpy())
    else:
        save_file({"tokens": tokens, "logits": logits.contiguous()}, path)
    config = folder / "m.yaml"
    config.write_text(yaml.safe_dump(dict(source.configuration)))
    return Saved(folder / "m.pt", config, path)


@pytest.mark.parametrize("kind", [".npz", ".safetensors"])
@pytest.mark.parametrize("precision", HALVES)
@pytest.mark.parametrize("name", ["nanogpt", "torch_encoder"])
def test_a_model_in_half_precision_follows_its_own_logits(name: str, precision: str, kind: str, tmp_path: Path) -> None:
    for seed in range(3):
        saved = _saved(MAKERS[name](seed), tmp_path / str(seed), precision, kind=kind)
        loaded, reference = load(saved.checkpoint, config=saved.config), read_reference(saved.reference)
        found = check_parity(loaded.model, reference, precision=loaded.precision)
        assert found.checkpoint_precision == precision
        stored = "float32" if precision == "bfloat16" and kind == ".npz" else precision
        assert found.reference_precision == stored
        assert TOLERANCES["float32"] < found.max_abs_difference <= found.tolerance


@pytest.mark.parametrize("precision", HALVES)
def test_exact_logits_of_half_weights_agree_closely(precision: str, tmp_path: Path) -> None:
    saved = _saved(MAKERS["nanogpt"](0), tmp_path, precision, computed_in="float64")
    loaded, reference = load(saved.checkpoint, config=saved.config), read_reference(saved.reference)
    assert check_parity(loaded.model, reference, precision=loaded.precision).max_abs_difference < 1e-6


@pytest.mark.parametrize("precision", [*HALVES, "float32", "float64"])
def test_a_mismatch_names_both_precisions(precision: str, tmp_path: Path) -> None:
    saved = _saved(MAKERS["nanogpt"](0), tmp_path, precision, kind=".safetensors")
    loaded = load(saved.checkpoint, config=saved.config)
    with torch.no_grad():
        loaded.model.b_U.add_(1.0)
    with pytest.raises(CheckpointError, match=f"for a checkpoint in {precision} and a reference in {precision}"):
        check_parity(loaded.model, read_reference(saved.reference), precision=loaded.precision)


def test_full_precision_keeps_its_tolerance(tmp_path: Path) -> None:
    saved = _saved(MAKERS["nanogpt"](0), tmp_path, "float32", computed_in="float64")
    loaded = load(saved.checkpoint, config=saved.config)
    found = check_parity(loaded.model, read_reference(saved.reference), precision=loaded.precision)
    assert (found.checkpoint_precision, found.reference_precision) == ("float32", "float64")
    assert found.tolerance < TOLERANCES["float32"]
