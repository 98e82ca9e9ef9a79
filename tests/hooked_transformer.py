"""A canonical model as a TransformerLens model: the same weights, to compare numbers and times with."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from auditor.canonical.model import CanonicalTransformer

PADDED_SCORE = -1e5
"""What an attention score of a padding key becomes: its weight underflows to 0."""


def hooked_transformer(model: CanonicalTransformer) -> Any:
    """A HookedTransformer with LayerNorm before attention, before the MLP and at the end, and learned positions."""
    from transformer_lens import HookedTransformer, HookedTransformerConfig

    architecture, block = model.architecture, model.architecture.blocks[0]
    config = HookedTransformerConfig(
        n_layers=architecture.layers,
        d_model=architecture.model_width,
        n_ctx=architecture.max_positions or 0,
        d_head=block.value_width,
        n_heads=block.heads,
        d_mlp=block.neurons,
        d_vocab=architecture.vocabulary_size,
        d_vocab_out=architecture.outputs,
        act_fn="relu",
        attention_dir="causal" if architecture.causal else "bidirectional",
        normalization_type="LN",
        eps=architecture.norm_epsilon,
        dtype=model.dtype,
        use_hook_tokens=architecture.pad_masked,
        device="cpu",
    )
    twin = HookedTransformer(config)
    twin.load_state_dict(_state(model), strict=False)
    pad = model.task.language.vocabulary.pad
    if architecture.pad_masked and pad is not None:
        _mask_padding(twin, pad)
    return twin.eval()


def _state(model: CanonicalTransformer) -> dict[str, Tensor]:
    assert model.W_U is not None
    norm = model.final_norm
    state = {"embed.W_E": model.W_E, "pos_embed.W_pos": model.W_pos, "unembed.W_U": model.W_U, "unembed.b_U": model.b_U}
    state |= {"ln_final.w": norm.weight, "ln_final.b": norm.bias}
    for layer, (attention, mlp) in enumerate(zip(model.attentions, model.mlps, strict=True)):
        norms = model.block(layer).norms
        W_O, b_O = attention.output
        names = {"attn.W_O": W_O, "attn.b_O": b_O}
        for name, norm_site in (("ln1", "attention_in"), ("ln2", "mlp_in")):
            names |= {f"{name}.w": norms[norm_site].weight, f"{name}.b": norms[norm_site].bias}
        for letter in "QKV":
            names[f"attn.W_{letter}"] = getattr(attention, f"W_{letter}").transpose(0, 1)
            names[f"attn.b_{letter}"] = getattr(attention, f"b_{letter}")
        names |= {f"mlp.{name}": getattr(mlp, name) for name in ("W_in", "b_in", "W_out", "b_out")}
        state |= {f"blocks.{layer}.{name}": value for name, value in names.items()}
    return {name: value.detach().clone() for name, value in state.items()}


def _mask_padding(twin: Any, pad: int) -> None:
    """Permanent hooks, the way bidirectional classifiers are run in TransformerLens."""
    seen: dict[str, Tensor] = {}

    def remember(tokens: Tensor, hook: Any) -> None:
        seen["padding"] = (tokens == pad)[:, None, None, :]

    def mask(scores: Tensor, hook: Any) -> Tensor:
        return scores.masked_fill(seen["padding"], PADDED_SCORE)

    twin.add_perma_hook("hook_tokens", remember)
    for layer in range(twin.cfg.n_layers):
        twin.add_perma_hook(f"blocks.{layer}.attn.hook_attn_scores", mask)
