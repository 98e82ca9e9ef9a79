"""Models that cannot be audited yet, recognised by names of their tensors."""

from __future__ import annotations

import re
from collections.abc import Iterable

_PARTS = (
    (r"multihead_attn\.|crossattention\.|cross_attn\.|encoder_attn\.|EncDecAttention\.|encdec", "cross-attention"),
    (r"(^|\.)decoder\.(layers|block)\.\d+\.", "an encoder-decoder or torch's TransformerDecoder"),
    (r"(^|\.)(q_proj|k_proj|v_proj|query_key_value|Wqkv|qkv_proj)\.", "attention of another library"),
    (r"(^|\.)attn\.(key|query|value)\.weight$", "attention of the first minGPT"),
    (r"attention\.self\.(query|key|value)\.", "a model of the BERT family"),
    (r"relative_attention_bias|rel_pos|relative_position", "relative positions"),
    (r"lora_[AB]\.|lora_[AB]$|(^|\.)adapter_", "an adapter: merge it into the weights"),
    (r"\.experts?\.|(^|\.)router\.", "a mixture of experts"),
    (r"weight_ih_l\d|weight_hh_l\d", "a recurrent network"),
    (r"(^|\.)conv\d*\.weight|A_log$|dt_proj", "a convolution or state-space model"),
    (r"(qweight|scales|qzeros|weight_packed|\.absmax|quant_state)", "quantised weights"),
)
"""A pattern in a tensor's name, and what it belongs to."""

_KNOWN = tuple((re.compile(pattern), what) for pattern, what in _PARTS)


def unsupported(names: Iterable[str]) -> str:
    """A sentence about the first tensor that belongs to something not supported; empty where none does."""
    for name in sorted(names):
        for pattern, what in _KNOWN:
            if pattern.search(name):
                return f"{ascii(name)[:80]} belongs to {what}, which is not supported"
    return ""
