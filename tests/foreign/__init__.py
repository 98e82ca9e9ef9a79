"""Models of other libraries, small and random, with what they say of themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tests.foreign.huggingface_gpt2 import huggingface_gpt2
from tests.foreign.nanogpt import nanogpt
from tests.foreign.source import Source
from tests.foreign.torch_encoder import torch_encoder
from tests.foreign.transformer_lens import transformer_lens

MAKERS: Mapping[str, Callable[[int], Source]] = {
    "huggingface_gpt2": huggingface_gpt2,
    "nanogpt": nanogpt,
    "torch_encoder": torch_encoder,
    "transformer_lens": transformer_lens,
}
"""By the adapter that reads them; each makes the model of a seed."""
