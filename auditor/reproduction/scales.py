"""How much of a study is done: a smoke test of every part in minutes, or the sizes of the study itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from auditor.errors import NotFoundError
from auditor.plans.plan import PLANS, Plan
from auditor.records import Json
from auditor.reproduction.near_random import TWINS
from auditor.verdicts.claims import KINDS_ASKED

_EXACT = ("exact_query_key_gauge", "exact_value_output_gauge", "exact_neuron_permutation", "exact_random_composition")
_INPUT = ("input_bracket_relabelling", "input_pair_removal")
_PRUNED = "behavioural_pruned_random"

READ_IN_ANY_CASE = ("attention_stack_top", "balance_violation_matched", "balance_violation_as_published")
"""Methods whose scores are numbers of the study."""

_FEW_METHODS = (
    *READ_IN_ANY_CASE,
    "attention_entropy",
    "attention_pattern",
    "attention_start_mass",
    "attention_uniformity",
    "ablation_head_mean",
    "attribution_token_input_x_gradient",
    "direct_logit_head",
    "patching_activation_head",
    "probe_depth",
    "weights_ov_norm",
    "weights_qk_norm",
)

_MORE_METHODS = (
    "ablation_attention_mean",
    "ablation_head_zero",
    "ablation_mlp_mean",
    "attention_matching_opener",
    "attention_previous_token",
    "attention_rollout",
    "attention_variation",
    "attribution_head_gradient_x_activation",
    "attribution_token_integrated_gradients",
    "attribution_token_occlusion",
    "direct_logit_mlp",
    "geometry_depth_principal",
    "logit_lens",
    "patching_residual_by_position",
    "probe_stack_top",
    "weights_copying_score",
    "weights_qk_spectral_norm",
)

STEINBERG_METHODS = (
    "patching_activation_head",
    "weights_copying_score",
    "geometry_depth_principal",
    "patching_residual_by_position",
    "attention_pattern",
    "ablation_head_mean",
)


@dataclass(frozen=True)
class Scale:
    """Sizes of one run. ``training_share`` is the share of the study's steps."""

    name: str
    seeds: int  # of each cohort
    training_share: float
    least_steps: int
    plan: Plan
    sequences: int  # on which distances are measured
    batch: int = 256  # strings of a step, where the study has no fixed training set
    pruned_models: int = 0
    pruned_sequences: int = 0
    single: tuple[str, ...] = ()  # cohorts of which one seed is enough

    def seeds_of(self, cohort: str, wanted: int | None = None) -> tuple[int, ...]:
        """The seeds of a cohort, or as many as are wanted."""
        return tuple(range(wanted or (1 if cohort in self.single else self.seeds)))

    @property
    def facts(self) -> dict[str, Json]:
        """What the page says of it."""
        return {
            "scale": self.name,
            "share of the training steps": self.training_share,
            "least steps": self.least_steps,
            "plan": self.plan.to_json(),
        }


_SMOKE_PLAN = replace(
    PLANS["quick"],
    name="reproduction-smoke",
    sequences=48,
    certificate_sequences=800,
    behaviour_sequences=300,
    longer_sequences=24,
    behavioural_variants=1,
    exact_variants=1,
    twin_steps=250,
    twin_restarts=1,
    bootstrap_draws=1_999,
    claims=KINDS_ASKED,
    methods=_FEW_METHODS,
    equivalences=(*_EXACT[:1], *TWINS, *_INPUT[:1]),
)
_PAPER_PLAN = replace(
    PLANS["standard"],
    name="reproduction-paper",
    exact_variants=1,
    behavioural_variants=1,
    sequences=256,
    longer_sequences=64,
    claims=KINDS_ASKED,
    methods=(*_FEW_METHODS, *_MORE_METHODS),
    equivalences=(*_EXACT, *TWINS, _PRUNED, *_INPUT),
)

WEN2023: Mapping[str, Scale] = MappingProxyType(
    {
        "smoke": Scale(
            "smoke",
            seeds=2,
            training_share=0.05,
            least_steps=200,
            plan=_SMOKE_PLAN,
            sequences=64,
            pruned_models=2,
            pruned_sequences=24,
            single=(
                "example_p",
                "example_prefix",
                "example_prefix_p",
                "balance_acc_prefix",
                "balance_acc_prefix_contrastive",
                "seed19",
                "seed19_p",
                "one_layer_default",
                "one_layer_theory",
            ),
        ),
        "paper": Scale(
            "paper",
            seeds=5,
            training_share=1.0,
            least_steps=1,
            plan=_PAPER_PLAN,
            sequences=256,
            pruned_models=12,
            pruned_sequences=128,
        ),
    }
)

_STEINBERG_EQUIVALENCES = (
    "exact_embedding_trade",
    "exact_head_permutation",
    "exact_logit_shift",
    "exact_random_composition",
    "behavioural_adversarial_importance",
    "behavioural_fresh_seed",
)

STEINBERG2026: Mapping[str, Scale] = MappingProxyType(
    {
        "smoke": Scale(
            "smoke",
            seeds=1,
            training_share=0.03,
            least_steps=1,
            batch=64,
            plan=replace(_SMOKE_PLAN, methods=STEINBERG_METHODS, equivalences=_STEINBERG_EQUIVALENCES, twin_steps=60),
            sequences=64,
        ),
        "paper": Scale(
            "paper",
            seeds=1,
            training_share=1.0,
            least_steps=1,
            plan=replace(
                _PAPER_PLAN,
                methods=STEINBERG_METHODS,
                equivalences=(
                    *_STEINBERG_EQUIVALENCES,
                    "exact_head_splitting",
                    "exact_cancelling_heads",
                    "behavioural_adversarial_attention",
                ),
            ),
            sequences=256,
        ),
    }
)

STUDIES: Mapping[str, Mapping[str, Scale]] = MappingProxyType({"wen2023": WEN2023, "steinberg2026": STEINBERG2026})
"""The scales of each study, by name."""


def scale_of(study: str, name: str) -> Scale:
    """The sizes of a run.

    Raises:
        NotFoundError: no such study or scale.
    """
    if study not in STUDIES:
        raise NotFoundError(f"no study {study[:80]!r}", expected=" or ".join(STUDIES))
    if name not in STUDIES[study]:
        raise NotFoundError(f"no scale {name[:80]!r}", expected=" or ".join(STUDIES[study]))
    return STUDIES[study][name]
