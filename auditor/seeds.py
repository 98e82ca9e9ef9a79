"""Every random number comes from a generator named after its use. No global seed is ever set."""

from __future__ import annotations

import hashlib

import numpy as np
import torch


def seed_for(seed: int, *names: str | int) -> int:
    """A 63-bit seed from the audit's seed and the names of a stage; the same on every machine."""
    text = "/".join(str(part) for part in (seed, *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1


def numpy_generator(seed: int, *names: str | int) -> np.random.Generator:
    """A NumPy generator for one named use."""
    return np.random.default_rng(seed_for(seed, *names))


def torch_generator(seed: int, *names: str | int) -> torch.Generator:
    """A CPU torch generator for one named use."""
    return torch.Generator().manual_seed(seed_for(seed, *names))
