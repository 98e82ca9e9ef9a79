"""Read and replace activations: run with a cache, ablate, patch.

Functions over sites, so no hook can be left behind.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from torch import Tensor

from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Hook, Site
from auditor.errors import PlanError
from auditor.records import Component
from auditor.tensors import Logits, Tokens


@dataclass(frozen=True)
class Cache:
    """Activations of one forward pass by (site, layer)."""

    activations: Mapping[tuple[Site, int], Tensor] = field(default_factory=dict)

    def __getitem__(self, place: tuple[Site, int]) -> Tensor:
        return self.activations[place]


def run_with_cache(model: CanonicalTransformer, tokens: Tokens, *, sites: Iterable[Site]) -> tuple[Logits, Cache]:
    """Logits and the activations at the named sites of every layer."""
    wanted, kept = frozenset(sites), {}

    def hook(site: Site, layer: int, value: Tensor) -> Tensor:
        if site in wanted:
            kept[site, layer] = value
        return value

    return model(tokens, hook), Cache(kept)


def replace_head(model: CanonicalTransformer, head: Component, value: Tensor) -> Hook:
    """A hook that puts ``value`` (broadcast to [batch, position, value_width]) in the place of one head's z.

    Raises:
        PlanError: the model has no such head.
    """
    check_head(model, head)

    def hook(site: Site, layer: int, tensor: Tensor) -> Tensor:
        if site is not Site.Z or layer != head.layer:
            return tensor
        edited = tensor.clone()
        edited[:, :, head.head] = value.to(tensor)
        return edited

    return hook


def check_head(model: CanonicalTransformer, head: Component) -> None:
    """Raise PlanError unless the model has this head."""
    heads = model.architecture.heads
    if head not in heads:
        raise PlanError(f"no head {head.label}", expected=f"one of {', '.join(h.label for h in heads)}")
