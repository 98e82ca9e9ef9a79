"""Keys of a library's own configuration: what changes the function is read or refused, all others are listed.

A configuration holds more than the model: tokenizer ids, dropout, options of training and generation, a user's notes.
Such keys cannot be known one by one, so a key that no format reads is refused only if its name shows that it changes
what the weights compute, and it is switched on.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from auditor.errors import ConfigurationError
from auditor.records import Json

_CHANGES = re.compile(
    r"rotary|rope|alibi|relative|position(al)?_(embedding|encoding)_type|sliding_window|attention_window|window_size"
    r"|local_attn|attention_types|kv_heads?|key_value_heads|multi_query|experts?\b|n_experts|num_experts|moe"
    r"|soft_?cap|lora|quantiz|parallel_(attn|residual|attention)|parallel_residual|gated_mlp|glu"
    r"|(layer_?)?norm_type|rms_?norm|qk_norm|qk_layernorm|scale_embed|embed(ding)?_(scale|norm|multiplier)|embedding_ln"
    r"|post_embedding|cross_attention$|logit_scale|logits_scaling|residual_multiplier|attention_multiplier"
    r"|inverse_layer_idx|final_rms|normalization_before_and_after|pruned|shared_layers|share_(weights|layers)"
    r"|is_encoder_decoder",
    re.IGNORECASE,
)
_OFF: tuple[Json, ...] = (None, False, 0, -1, "", "none", "absolute", "standard", "default", "learned", [], {})
_SHOWN = 60
MAX_LISTED = 100


def check_keys(facts: Mapping[str, Json], read: Collection[str], *, file: str, settled: tuple[str, ...] = ()) -> None:
    """Refuse a key that changes the function and is not read.

    ``settled`` are beginnings of keys that have no effect unless a key that is read asks for them.

    Raises:
        ConfigurationError: by name, with its value.
    """
    for name in sorted(set(facts) - set(read)):
        if name.startswith(settled):
            continue
        if _CHANGES.search(name) and not any(facts[name] == off for off in _OFF):
            raise ConfigurationError(
                f"{file}: {ascii(name)[1:-1][:_SHOWN]} = {ascii(facts[name])[:_SHOWN]}, which changes what the weights "
                "compute and is not supported",
                expected="it switched off, or absent",
                action="an audit of another function would be wrong; remove the key only if the model ignores it",
            )


def unread_note(facts: Mapping[str, Json], read: Collection[str], *, file: str) -> tuple[str, ...]:
    """One note that lists the keys that are not read; none where all are."""
    names = [ascii(name)[1:-1][:_SHOWN] for name in sorted(set(facts) - set(read))]
    if not names:
        return ()
    more = f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
    return (f"{file}: not read, as they do not change the function: {', '.join(names[:MAX_LISTED])}{more}",)


def with_implied(
    configuration: Mapping[str, Json] | None, implied: Mapping[str, Json], *, file: str
) -> Mapping[str, Json] | None:
    """A description whose section ``model`` also has the facts of a library's configuration.

    Raises:
        ConfigurationError: the two contradict each other.
    """
    if not implied:
        return configuration
    described = (configuration or {}).get("model", {})
    if not isinstance(described, Mapping):
        return configuration  # refused where it is read
    for name, value in implied.items():
        if name in described and described[name] != value:
            raise ConfigurationError(
                f"model.{name} = {ascii(described[name])[:_SHOWN]}, but {file} has {ascii(value)[:_SHOWN]}",
                expected="one of them",
                action="leave the fact out of --config, or correct it",
            )
    return {**(configuration or {}), "model": {**implied, **described}}
