"""One small checkpoint of every foreign format, made without its library: tensors, description, sizes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors.torch import save_file
from torch import Tensor

from tests.foreign.nanogpt import nanogpt
from tests.foreign.source import TASK, VOCABULARY
from tests.foreign.torch_encoder import torch_encoder

MAPS = ("c_attn.weight", "c_proj.weight", "c_fc.weight")
"""Stored input axis first by Hugging Face and output axis first by nanoGPT."""


@dataclass(frozen=True)
class Described:
    """A state dict with what describes it."""

    format: str
    tensors: Mapping[str, Tensor]
    configuration: Mapping[str, Any]
    library: Mapping[str, Any] | None = None

    def renamed(self, prefix: str) -> Described:
        """The same under longer names."""
        return replace(self, tensors={prefix + name: tensor for name, tensor in self.tensors.items()})

    def save(self, folder: Path, content: object = None) -> tuple[Path, Path]:
        """(checkpoint, description): a file of torch.save, or for Hugging Face a folder; ``content`` in its place."""
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / "description.yaml"
        config.write_text(yaml.safe_dump(dict(self.configuration)))
        if self.format == "huggingface_gpt2" and self.library is not None:
            place = folder / "gpt2"
            place.mkdir()
            (place / "config.json").write_text(json.dumps(self.library))
            if content is None:
                save_file({n: t.contiguous().clone() for n, t in self.tensors.items()}, place / "model.safetensors")
            else:
                torch.save(content, place / "pytorch_model.bin")
            return place, config
        wrapped = {"model": dict(self.tensors), "model_args": self.library} if self.library else dict(self.tensors)
        torch.save(wrapped if content is None else content, folder / "model.pt")
        return folder / "model.pt", config


def _nanogpt() -> Described:
    source = nanogpt(1)
    return Described("nanogpt", source.tensors, source.configuration, source.library)


def _huggingface() -> Described:
    source = next(one for one in map(nanogpt, range(20)) if (one.library or {})["bias"])
    args = source.library or {}
    library = {
        "model_type": "gpt2",
        "architectures": ["GPT2LMHeadModel"],
        "activation_function": "gelu_new",
        "vocab_size": args["vocab_size"],
        "n_positions": args["block_size"],
        "n_embd": args["n_embd"],
        "n_layer": args["n_layer"],
        "n_head": args["n_head"],
    }
    tensors = {n: t.T.contiguous() if n.endswith(MAPS) else t for n, t in source.tensors.items()}
    return Described("huggingface_gpt2", tensors, {"vocabulary": VOCABULARY, "task": TASK}, library)


def _encoder() -> Described:
    """A language model with learned positions and a norm behind them."""
    for source in map(torch_encoder, range(100)):
        facts, names = source.configuration["model"], source.configuration["names"]
        is_language_model = "read_out" not in source.configuration
        if is_language_model and "positions" in names and facts["embedding_norm"] == "after_positions":
            break
    return Described("torch_encoder", source.tensors, source.configuration)


def _lens() -> Described:
    draw = torch.Generator().manual_seed(0)
    width, heads, inner, neurons, tokens, positions = 6, 2, 3, 5, 7, 11
    shapes: dict[str, tuple[int, ...]] = {
        "embed.W_E": (tokens, width),
        "pos_embed.W_pos": (positions, width),
        "unembed.W_U": (width, tokens),
        "unembed.b_U": (tokens,),
        "ln_final.w": (width,),
        "ln_final.b": (width,),
    }
    for layer in range(2):
        here = f"blocks.{layer}"
        shapes |= {f"{here}.attn.W_{x}": (heads, width, inner) for x in "QKV"}
        shapes |= {f"{here}.attn.b_{x}": (heads, inner) for x in "QKV"}
        shapes |= {f"{here}.attn.W_O": (heads, inner, width), f"{here}.attn.b_O": (width,)}
        shapes |= {f"{here}.mlp.W_in": (width, neurons), f"{here}.mlp.b_in": (neurons,)}
        shapes |= {f"{here}.mlp.W_out": (neurons, width), f"{here}.mlp.b_out": (width,)}
        shapes |= {f"{here}.{norm}.{part}": (width,) for norm in ("ln1", "ln2") for part in "wb"}
    tensors = {name: torch.randn(shape, generator=draw, dtype=torch.float64) for name, shape in shapes.items()}
    model = {"norm": "layer", "activation": "relu", "attention": "causal", "positions": "learned"}
    return Described("transformer_lens", tensors, {"model": model, "vocabulary": VOCABULARY, "task": TASK})


STATES: Mapping[str, Callable[[], Described]] = {
    "huggingface_gpt2": _huggingface,
    "nanogpt": _nanogpt,
    "torch_encoder": _encoder,
    "transformer_lens": _lens,
}
