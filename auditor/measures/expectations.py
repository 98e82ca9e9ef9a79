"""What theory predicts for a kind of score under each exact symmetry: the defaults that a method starts from.

A score that reads only what the function and its paths fix (attention weights, effects of edits that no gauge can
see) keeps its value under every symmetry that renames nothing, moves with the names under those that rename its
components, and is shared among the copies where a component is split. A method states where it differs by name:

    expected = head_scores(exact_value_bias_shift=Expected.FREE)

Derivations: Elhage et al. 2021, "A mathematical framework for transformer circuits" (gauges of QK and OV); Kobayashi
et al. 2020, arXiv 2004.10102 (value bias). What a method declares is checked against what is observed.
"""

from __future__ import annotations

from collections.abc import Mapping

from auditor.records import Expected

_FIXED_LIST = (
    "exact_query_key_gauge",
    "exact_value_output_gauge",
    "exact_value_bias_shift",
    "exact_key_bias_shift",
    "exact_neuron_rescaling",
    "exact_norm_folding",
    "exact_centred_writing",
    "exact_mean_direction_writing",
    "exact_norm_null_shift",
    "exact_residual_rotation",
    "exact_embedding_trade",
    "exact_logit_shift",
)
"""Moves that rename no component."""


_AMPLIFIED = {
    "exact_head_amplification": "exact_head_splitting",
    "exact_neuron_amplification": "exact_neuron_splitting",
}
"""Moves that also copy a component, with other shares: what splitting dilutes they enlarge, what it keeps they keep."""


def head_scores(**differs: Expected) -> Mapping[str, Expected]:
    """Scores per head that only relabelling and splitting heads touch, except where ``differs`` says otherwise."""
    return _profile(
        {
            "exact_head_permutation": Expected.RELABELLED,
            "exact_head_splitting": Expected.DILUTED,
            "exact_cancelling_heads": Expected.RELABELLED,
            "exact_neuron_permutation": Expected.INVARIANT,
            "exact_neuron_splitting": Expected.INVARIANT,
            "exact_cancelling_neurons": Expected.INVARIANT,
            "exact_random_composition": Expected.RELABELLED,
        },
        differs,
    )


def neuron_scores(**differs: Expected) -> Mapping[str, Expected]:
    """Scores per neuron that only relabelling and splitting neurons touch, except where ``differs`` says otherwise."""
    return _profile(
        {
            "exact_neuron_permutation": Expected.RELABELLED,
            "exact_neuron_splitting": Expected.DILUTED,
            "exact_cancelling_neurons": Expected.RELABELLED,
            "exact_head_permutation": Expected.INVARIANT,
            "exact_head_splitting": Expected.INVARIANT,
            "exact_cancelling_heads": Expected.INVARIANT,
            "exact_random_composition": Expected.RELABELLED,
        },
        differs,
    )


def whole_scores(**differs: Expected) -> Mapping[str, Expected]:
    """Scores of layers, inputs or the whole model, which no relabelling touches, except where ``differs`` says so."""
    return _profile(
        dict.fromkeys(
            (
                "exact_head_permutation",
                "exact_head_splitting",
                "exact_cancelling_heads",
                "exact_neuron_permutation",
                "exact_neuron_splitting",
                "exact_cancelling_neurons",
                "exact_random_composition",
            ),
            Expected.INVARIANT,
        ),
        differs,
    )


def _profile(renaming: Mapping[str, Expected], differs: Mapping[str, Expected]) -> Mapping[str, Expected]:
    """All symmetries; a composition is open once any of its moves may change the score."""
    profile = {**dict.fromkeys(_FIXED_LIST, Expected.INVARIANT), **renaming}
    if any(differs.get(name, Expected.INVARIANT) is not Expected.INVARIANT for name in _FIXED_LIST):
        profile["exact_random_composition"] = Expected.OPEN
    profile |= differs
    for amplified, split in _AMPLIFIED.items():
        diluted = profile[split] is Expected.DILUTED
        profile[amplified] = differs.get(amplified, Expected.CHANGES if diluted else profile[split])
    return profile
