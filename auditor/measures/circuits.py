"""The two circuits of a head as matrices between residual streams (Elhage et al. 2021).

    OV  W_V W_O    what a head writes at the query for a vector at the key, [model, model]
    QK  W_Q W_Kᵀ   how much a query's vector asks for a key's vector, [model, model]

Raw weights: norms, biases and the scale of the scores stand outside. Where rotary positions turn queries and keys, QK
is what a query asks of a key at its own position.
"""

from __future__ import annotations

import torch
from torch import Tensor

from auditor.canonical.model import Attention, CanonicalTransformer


def output_maps(attention: Attention) -> Tensor:
    """W_O of each head [head, value_width, model]; without one, the features that a head's values fill."""
    if attention.W_O is not None:
        return attention.W_O
    model, heads, width = attention.W_V.shape
    return torch.eye(model, dtype=attention.W_V.dtype, device=attention.W_V.device).view(heads, width, model)


def ov_circuits(model: CanonicalTransformer) -> Tensor:
    """W_V W_O of all heads in flat order, [head, model, model]."""
    return torch.cat([one.W_V.movedim(1, 0) @ output_maps(one) for one in model.attentions])


def qk_circuits(model: CanonicalTransformer) -> Tensor:
    """W_Q W_Kᵀ of all heads in flat order, [head, model, model]."""
    return torch.cat([one.W_Q.movedim(1, 0) @ one.W_K.movedim(1, 0).mT for one in model.attentions])


def frobenius_norms(circuits: Tensor) -> Tensor:
    """‖M‖_F of each, [head]."""
    norms: Tensor = circuits.flatten(1).norm(dim=1)
    return norms


def spectral_norms(circuits: Tensor) -> Tensor:
    """Largest singular value of each, [head]."""
    norms: Tensor = torch.linalg.matrix_norm(circuits, ord=2)
    return norms


def stable_ranks(circuits: Tensor) -> Tensor:
    """‖M‖²_F / σ₁² of each, [head]: how many directions it uses, from 1 to its rank. A zero matrix has 0."""
    largest = spectral_norms(circuits).square()
    ranks: Tensor = frobenius_norms(circuits).square() / torch.where(largest > 0, largest, 1.0)
    return ranks


def copying_scores(model: CanonicalTransformer) -> Tensor:
    """Σ λ / Σ |λ| over the eigenvalues λ of W_E W_V W_O W_U, [head], from −1 to 1; 0 for a zero circuit.

    The full circuit from the token looked at to the logits, [vocabulary, vocabulary], of a language model with a
    token table. Near 1 seeing a token raises its own logit. Elhage et al. 2021, "Detecting copying behavior".
    """
    unembedding = model.W_E.T if model.W_U is None else model.W_U
    scores = []
    for attention in model.attentions:
        reads = model.W_E @ attention.W_V.movedim(1, 0)  # [head, vocabulary, value_width]
        writes = output_maps(attention) @ unembedding  # [head, value_width, vocabulary]
        wide = reads.shape[1] < reads.shape[2]
        eigenvalues = torch.linalg.eigvals(reads @ writes if wide else writes @ reads)  # the same but for zeros
        size = eigenvalues.abs().sum(-1)
        scores.append(eigenvalues.real.sum(-1) / torch.where(size > 0, size, 1.0))
    return torch.cat(scores)


def composition_scores(model: CanonicalTransformer, read: Tensor) -> Tensor:
    """‖M₁ M₂‖_F / (‖M₁‖_F ‖M₂‖_F) of a head's OV circuit M₁ and what a later head ``read``s [head, model, model].

    [head, to_head]; 0 where the second head does not read the first.
    """
    written = ov_circuits(model)
    products = torch.einsum("amn,bno->abmo", written, read).flatten(2).norm(dim=2)
    sizes = frobenius_norms(written)[:, None] * frobenius_norms(read)[None]
    heads = model.architecture.heads
    reaches = [[_reaches(model, first.layer, second.layer) for second in heads] for first in heads]
    shares: Tensor = products / torch.where(sizes > 0, sizes, 1.0) * torch.tensor(reaches)
    return shares


def _reaches(model: CanonicalTransformer, first: int, second: int) -> bool:
    """Whether a layer reads what an earlier one writes without something nonlinear but norms between."""
    architecture = model.architecture
    passes_mlp = architecture.mlp_residual or architecture.mlp != "two_layer"
    return first < second and passes_mlp and (second == first + 1 or architecture.attention_residual)
