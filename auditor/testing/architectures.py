"""Random architectures over all switches of the canonical model."""

from __future__ import annotations

from typing import Any, get_args

from hypothesis import settings
from hypothesis import strategies as st

from auditor.canonical.architecture import (
    Activation,
    Architecture,
    Block,
    DepthRule,
    Mlp,
    Norm,
    NormSite,
    RotaryPairs,
)
from auditor.testing.families import POSITIONS
from auditor.testing.models import TASK

LAW = settings(max_examples=25, deadline=None, derandomize=True, database=None)
"""The same examples at every run; small models, so that twenty-five of them take about a second."""

MLPS: tuple[Mlp, ...] = ("two_layer", "two_layer", "identity", "none")
"""Half of the models have neurons."""


@st.composite
def architectures(draw: st.DrawFn) -> Architecture:
    """One to two layers of one to three heads; every switch on and off, in every combination that may exist."""
    has_output_map = draw(st.booleans())
    heads, value_width = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    width = draw(st.integers(3, 7)) if has_output_map else max(heads * value_width, 2)
    if not has_output_map:
        heads, value_width = (heads, value_width) if heads * value_width == width else (1, width)
    mlp = draw(st.sampled_from(MLPS))

    def block() -> Block:
        return Block(
            heads=draw(st.integers(1, 3)) if has_output_map else heads,
            query_width=draw(st.integers(1, 4)),
            value_width=draw(st.integers(1, 4)) if has_output_map else value_width,
            neurons=draw(st.integers(1, 6)) if mlp == "two_layer" else 0,
        )

    is_classifier, by_depth = draw(st.booleans()) and draw(st.booleans()), draw(st.booleans())
    is_causal = draw(st.booleans())
    blocks = tuple(block() for _ in range(draw(st.integers(1, 2))))
    return Architecture(
        model_width=width,
        vocabulary_size=len(TASK.language.vocabulary),
        blocks=blocks,
        norm=draw(st.sampled_from(get_args(Norm))),
        norm_sites=tuple(sorted(draw(st.sets(st.sampled_from(get_args(NormSite)))))),
        attention_residual=draw(st.booleans()),
        mlp_residual=draw(st.booleans()),
        mlp_input_residual=draw(st.booleans()),
        output_map=has_output_map,
        attention_scale=draw(st.sampled_from((None, 0.7))),
        mlp=mlp,
        activation=draw(st.sampled_from(get_args(Activation))),
        **draw(_positions(min(block.query_width for block in blocks))),
        embedding="token_and_depth" if by_depth else "token",
        embedding_trained=draw(st.booleans()),
        depth_slots=TASK.language.depth + 2 if by_depth else 0,
        depth_rule=draw(st.sampled_from(get_args(DepthRule))),
        tied_unembedding=draw(st.booleans()) and not (by_depth or is_classifier),
        causal=is_causal,
        pad_masked=not is_causal or draw(st.booleans()),
        **(draw(_read_outs()) if is_classifier else {}),
    )


def _read_outs() -> st.SearchStrategy[dict[str, Any]]:
    return st.sampled_from(
        (
            {"read_out": 0, "classes": 2},
            {"read_out": "last", "classes": 2},
            {"read_out": "mean", "classes": 3},
            {"read_out": "mean", "mean_skips": ("start",), "classes": 2},
        )
    )


def _positions(narrowest: int) -> st.SearchStrategy[dict[str, Any]]:
    """Rotary positions turn all or some features of queries and keys, where these are wide enough for a pair."""
    rotary = [
        {"positions": "rotary", "rotary_width": narrowest - narrowest % 2, "rotary_base": base, "rotary_pairs": pairs}
        for base, pairs in zip((10_000.0, 20.0), get_args(RotaryPairs), strict=True)
    ]
    return st.sampled_from(
        (
            *(rotary if narrowest > 1 else ()),
            {"positions": "none", "max_positions": POSITIONS},
            {"positions": "learned", "max_positions": POSITIONS},
            {"positions": "sinusoidal", "max_positions": POSITIONS},
            {"positions": "scalar", "scalar_period": POSITIONS},
        )
    )
