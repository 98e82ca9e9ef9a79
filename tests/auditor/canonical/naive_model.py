"""The canonical model once more, with loops over batch, head, query and key in NumPy; shares no code with it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.special import erf

from auditor.canonical.architecture import Architecture
from auditor.canonical.model import CanonicalTransformer

Array = np.ndarray[Any, np.dtype[np.float64]]


def naive_logits(model: CanonicalTransformer, tokens: list[list[int]]) -> Array:
    """Logits of each sequence, [batch, position, vocabulary] or [batch, class]."""
    weights = {name: value.detach().double().numpy() for name, value in model.state_dict().items()}
    return np.stack([_one(model, weights, sequence) for sequence in tokens])


def _one(model: CanonicalTransformer, weights: dict[str, Array], tokens: list[int]) -> Array:
    switches = model.architecture
    x = [_input(model, weights, tokens, position) for position in range(len(tokens))]
    for layer in range(switches.layers):
        x = _block(model, weights, tokens, x, layer)
    unembedding = weights["W_E"].T if switches.tied_unembedding else weights["W_U"]
    logits = [_norm(switches, weights, "final_norm", row, "final") @ unembedding + weights["b_U"] for row in x]
    if switches.read_out is None:
        return np.stack(logits)
    if isinstance(switches.read_out, int):
        return logits[switches.read_out]
    vocabulary = model.task.language.vocabulary
    real = [place for place, token in enumerate(tokens) if token != vocabulary.pad]
    if switches.read_out == "last":
        return logits[real[-1]]
    skipped = [getattr(vocabulary, marker) for marker in switches.mean_skips]
    counted = [logits[place] for place in real if tokens[place] not in skipped]
    return sum(counted) / len(counted)


def _input(model: CanonicalTransformer, weights: dict[str, Array], tokens: list[int], position: int) -> Array:
    switches, vocabulary = model.architecture, model.task.language.vocabulary
    if switches.embedding == "token":
        row = weights["W_E"][tokens[position]].copy()
    else:
        seen = tokens[: position + 1]
        depth = sum(t in vocabulary.opening for t in seen) - sum(t in vocabulary.closing for t in seen)
        if switches.depth_rule == "closing_raised" and tokens[position] in vocabulary.closing:
            depth += 1
        inside = 0 <= depth <= switches.depth_slots - 2
        row = weights["W_E"][tokens[position], depth if inside else switches.depth_slots - 1].copy()
    if switches.positions == "learned":
        row += weights["W_pos"][position]
    elif switches.positions == "scalar":
        row[-1] += float(np.float32(position) / np.float32(switches.scalar_period))
    elif switches.positions == "sinusoidal":
        for feature in range(len(row)):
            angle = position / 10_000 ** (2 * (feature // 2) / len(row))
            row[feature] += math.sin(angle) if feature % 2 == 0 else math.cos(angle)
    return _norm(switches, weights, "embedding_norm", row, "embedding")


def _turned(switches: Architecture, x: Array, position: int) -> Array:
    """Pair p as a complex number times e^(i · position · base^(−2p/width))."""
    if switches.positions != "rotary":
        return x
    turned, width = x.copy(), switches.rotary_width or 0
    for pair in range(width // 2):
        halves = switches.rotary_pairs == "halves"
        first, second = (pair, pair + width // 2) if halves else (2 * pair, 2 * pair + 1)
        angle = position * switches.rotary_base ** (-2 * pair / width)
        value = complex(x[first], x[second]) * complex(math.cos(angle), math.sin(angle))
        turned[first], turned[second] = value.real, value.imag
    return turned


def _block(
    model: CanonicalTransformer, weights: dict[str, Array], tokens: list[int], x: list[Array], layer: int
) -> list[Array]:
    switches = model.architecture
    read = [_norm(switches, weights, f"layers.{layer}.norms.attention_in", row, "attention_in") for row in x]
    written = _attention(model, weights, tokens, read, layer)
    out = []
    for row, a in zip(x, written, strict=True):
        middle = row + a if switches.attention_residual else a
        middle = _norm(switches, weights, f"layers.{layer}.norms.attention_out", middle, "attention_out")
        if switches.mlp == "none":
            out.append(middle)
            continue
        h = _norm(switches, weights, f"layers.{layer}.norms.mlp_in", middle, "mlp_in")
        if switches.mlp_input_residual:
            h = h + middle
            middle = h
        f = _mlp(switches, weights, h, layer) if switches.mlp == "two_layer" else h
        end = middle + f if switches.mlp_residual else f
        out.append(_norm(switches, weights, f"layers.{layer}.norms.mlp_out", end, "mlp_out"))
    return out


def _attention(
    model: CanonicalTransformer, weights: dict[str, Array], tokens: list[int], x: list[Array], layer: int
) -> list[Array]:
    switches, pad = model.architecture, model.task.language.vocabulary.pad
    block, here = switches.blocks[layer], f"layers.{layer}.attention."
    scale = switches.attention_scale or 1 / math.sqrt(block.query_width)
    written = []
    for query, row in enumerate(x):
        heads = []
        for head in range(block.heads):
            q = row @ weights[here + "W_Q"][:, head] + weights[here + "b_Q"][head]
            q = _turned(switches, q, query)
            scores, values = [], []
            for key, other in enumerate(x):
                if (switches.causal and key > query) or (switches.pad_masked and tokens[key] == pad):
                    continue
                k = other @ weights[here + "W_K"][:, head] + weights[here + "b_K"][head]
                k = _turned(switches, k, key)
                scores.append(math.exp(float(q @ k) * scale))
                values.append(other @ weights[here + "W_V"][:, head] + weights[here + "b_V"][head])
            heads.append(sum(s * v for s, v in zip(scores, values, strict=True)) / sum(scores))
        if switches.output_map:
            sums = sum(z @ weights[here + "W_O"][head] for head, z in enumerate(heads))
            written.append(sums + weights[here + "b_O"])
        else:
            written.append(np.concatenate(heads))
    return written


def _mlp(switches: Architecture, weights: dict[str, Array], h: Array, layer: int) -> Array:
    here = f"layers.{layer}.mlp."
    hidden = h @ weights[here + "W_in"] + weights[here + "b_in"]
    if switches.activation == "relu":
        hidden = np.where(hidden > 0, hidden, 0.0)
    elif switches.activation == "gelu_erf":
        hidden = hidden * 0.5 * (1 + erf(hidden / math.sqrt(2)))
    else:
        hidden = 0.5 * hidden * (1 + np.tanh(math.sqrt(2 / math.pi) * (hidden + 0.044715 * hidden**3)))
    out: Array = hidden @ weights[here + "W_out"] + weights[here + "b_out"]
    return out


def _norm(switches: Architecture, weights: dict[str, Array], name: str, x: Array, site: str) -> Array:
    if site not in switches.norm_sites:
        return x
    if switches.norm == "rms":
        out: Array = x / math.sqrt(float((x**2).mean()) + switches.norm_epsilon) * weights[name + ".weight"]
        return out
    centred = x - x.mean()
    out = centred / math.sqrt(float((centred**2).mean()) + switches.norm_epsilon) * weights[name + ".weight"]
    return out + weights[name + ".bias"]
