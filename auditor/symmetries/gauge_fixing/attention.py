"""The conventions of an attention layer: a head acts on the rest of the model through q·k and z W_O only."""

from __future__ import annotations

import torch

from auditor.behaviour.effects import mean_head_outputs
from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.model import CanonicalTransformer
from auditor.symmetries.gauge_fixing.balance import balance_pairs, balanced
from auditor.symmetries.orders import reorder_heads


def drop_key_biases(model: CanonicalTransformer) -> None:
    """b_K = 0: it adds q·b_K to a whole row of scores, which softmax ignores. What rotary positions turn stays."""
    for attention in model.attentions:
        attention.b_K[:, model.architecture.rotary_width or 0 :] = 0.0


def balance_queries_and_keys(model: CanonicalTransformer) -> None:
    """[W_Q; b_Q] and [W_K; b_K] share the singular values of their product evenly, or each pair of features that rotary
    positions turn its length. Needs b_K = 0 where nothing is turned.
    """
    for attention in model.attentions:
        turned = 0 if attention.rotary is None else attention.rotary.width
        for head in range(len(attention.b_Q)):
            query = torch.cat([attention.W_Q[:, head], attention.b_Q[head][None]])
            key = torch.cat([attention.W_K[:, head], attention.b_K[head][None]])
            if attention.rotary is not None:
                balance_pairs(query, key, attention.rotary)
            query[:, turned:], right = balanced(query[:, turned:], key[:, turned:].T)
            key[:, turned:] = right.T
            attention.W_Q[:, head], attention.b_Q[head] = query[:-1], query[-1]
            attention.W_K[:, head], attention.b_K[head] = key[:-1], key[-1]


def centre_head_outputs(model: CanonicalTransformer, reference: InputBatch) -> None:
    """E[z] = 0 over the reference: b_V → b_V − E[z], b_O → b_O + E[z] W_O (rows of attention sum to 1)."""
    if not model.architecture.output_map:
        return
    for head, mean in mean_head_outputs(model, reference).items():
        attention = model.attentions[head.layer]
        W_O, b_O = attention.output
        attention.b_V[head.head] -= mean
        b_O += mean @ W_O[head.head]


def balance_values_and_outputs(model: CanonicalTransformer) -> None:
    """[W_V; b_V] and W_O share the singular values of their product evenly."""
    if not model.architecture.output_map:
        return
    for attention in model.attentions:
        W_O, _ = attention.output
        for head in range(len(attention.b_V)):
            value = torch.cat([attention.W_V[:, head], attention.b_V[head][None]])
            value, output = balanced(value, W_O[head])
            attention.W_V[:, head], attention.b_V[head], W_O[head] = value[:-1], value[-1], output


def sort_heads(model: CanonicalTransformer) -> None:
    """Heads by ‖W_V W_O‖ in the Frobenius norm, the largest first."""
    if not model.architecture.output_map:
        return
    for attention in model.attentions:
        W_O, _ = attention.output
        size = torch.linalg.matrix_norm(torch.einsum("mhv,hvn->hmn", attention.W_V, W_O))
        reorder_heads(attention, torch.argsort(size, descending=True))
