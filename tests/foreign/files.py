"""Foreign models as their users save them: checkpoint, description, and the source's own numbers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import yaml

from tests.foreign.source import Source, token_batches


@dataclass(frozen=True)
class Saved:
    """Where a foreign model lies."""

    checkpoint: Path
    config: Path
    reference: Path


def save(source: Source, folder: Path, *, compiled: bool = True) -> Saved:
    """Write a model the way its own code does."""
    folder.mkdir(parents=True, exist_ok=True)
    writer = {"huggingface_gpt2": _save_pretrained, "nanogpt": _train_py}.get(source.adapter, _state_dict)
    checkpoint = writer(source, folder / "model")
    if source.adapter == "nanogpt" and not compiled:
        torch.save(source.tensors, checkpoint)
    config = folder / "model.yaml"
    config.write_text(yaml.safe_dump(dict(source.configuration)))
    return Saved(checkpoint, config, save_reference(source, folder / "reference.npz"))


def save_reference(source: Source, path: Path) -> Path:
    """Tokens and the source's logits, as .npz, .safetensors or .json."""
    tokens = token_batches(np.random.default_rng(0))[0] if source.asked is None else source.asked
    with torch.no_grad():
        logits = source.logits(tokens)
    if path.suffix == ".npz":
        np.savez_compressed(path, tokens=tokens.numpy(), logits=logits.numpy())
    elif path.suffix == ".json":
        path.write_text(json.dumps({"tokens": tokens.tolist(), "logits": logits.tolist()}))
    else:
        from safetensors.torch import save_file

        save_file({"tokens": tokens, "logits": logits.contiguous()}, path)
    return path


def _save_pretrained(source: Source, path: Path) -> Path:
    source.module.save_pretrained(path)  # type: ignore[operator]
    return path


def _state_dict(source: Source, path: Path) -> Path:
    file = path.with_suffix(".pt")
    torch.save(source.module.state_dict(), file)
    return file


def _train_py(source: Source, path: Path) -> Path:
    """What nanoGPT's train.py writes when the model was compiled: weights, sizes and the state of the optimizer."""
    optimizer = torch.optim.AdamW(source.module.parameters(), lr=1e-3)
    sum(parameter.sum() for parameter in source.module.parameters()).backward()  # type: ignore[union-attr]
    optimizer.step()
    file = path.with_suffix(".pt")
    torch.save(
        {
            "model": {f"_orig_mod.{name}": tensor for name, tensor in source.module.state_dict().items()},
            "optimizer": optimizer.state_dict(),
            "model_args": dict(source.library or {}),
            "iter_num": 1,
            "best_val_loss": torch.tensor(1e9),
            "config": {"dataset": "dyck", "learning_rate": 1e-3, "compile": True},
        },
        file,
    )
    return file
