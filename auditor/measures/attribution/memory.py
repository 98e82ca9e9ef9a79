"""How much is run at once, so that an attribution stays in bounded memory at any number of sequences."""

from __future__ import annotations

from auditor.canonical.model import CanonicalTransformer

PASS_BYTES = 2**28
"""Activations kept by one forward pass with gradients: a quarter of the gigabyte that an attribution may take.

The rest is for the backward pass, for what a library holds beside it, and for the allocator."""

PASS_TOKENS = 8_192
"""Tokens of one pass, copies included; more is no faster, as the processor's cache is full."""

_RESIDUALS = 12
"""Tensors as wide as the residual stream that a block keeps: inputs of sums, norms and maps."""

_PATTERNS = 3
"""Tensors of the size of the attention pattern that a block keeps: scores, masked scores, pattern."""


def tokens_at_once(model: CanonicalTransformer, length: int, copies: int) -> int:
    """Tokens of a batch of inputs of this length, of each of which a method runs ``copies`` together."""
    fits = PASS_BYTES // bytes_per_token(model, length)
    return max(1, min(PASS_TOKENS, fits) // copies)


def bytes_per_token(model: CanonicalTransformer, length: int) -> int:
    """Estimate of what a pass with gradients keeps per token of inputs of this length."""
    architecture = model.architecture
    numbers = 4 * architecture.outputs
    for block in architecture.blocks:
        numbers += _RESIDUALS * architecture.model_width + 3 * block.neurons
        numbers += block.heads * (4 * block.query_width + 4 * block.value_width + _PATTERNS * length)
    return numbers * model.b_U.element_size()
