"""Which maps read the output of which norm, followed through every switch of an architecture.

A norm whose output goes into linear maps alone can hand its gain and bias over to them: N(x) W + b with
N(x) = n(x) ⊙ g + c is n(x) (diag(g) W) + (c W + b).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from auditor.canonical.architecture import Architecture
from auditor.canonical.model import Attention, CanonicalTransformer, Layer, Mlp
from auditor.records.theory import Aspect

AnyNorm = nn.LayerNorm | nn.RMSNorm


@dataclass(frozen=True)
class LinearMap:
    """x @ weight + bias, with weight [model, ...] and bias [...]. The tensors are the model's own."""

    weight: Tensor
    bias: Tensor

    def scale_inputs(self, gain: Tensor) -> None:
        """weight → diag(gain) weight."""
        self.weight.mul_(gain.view(-1, *[1] * (self.weight.dim() - 1)))

    def take_constant(self, constant: Tensor) -> None:
        """bias → constant weight + bias: what the map makes of a constant [model] added to its input."""
        self.bias.add_(torch.tensordot(constant, self.weight, dims=1))


@dataclass(frozen=True)
class NormReading:
    """One norm that runs, the linear maps that read its output, and whatever else does."""

    name: str  # "mlp_in of layer 0", "final"
    norm: AnyNorm
    maps: tuple[LinearMap, ...]
    others: tuple[str, ...]

    @property
    def is_foldable(self) -> bool:
        """Whether linear maps read it and nothing else does."""
        return bool(self.maps) and not self.others

    @property
    def is_folded(self) -> bool:
        """Whether its gain is 1 and its bias 0."""
        return bool((self.norm.weight == 1).all()) and (self.bias is None or not bool(self.bias.any()))

    @property
    def bias(self) -> Tensor | None:
        """The bias [model]; an RMS norm has none."""
        return self.norm.bias if isinstance(self.norm, nn.LayerNorm) else None


def norm_readings(model: CanonicalTransformer) -> tuple[NormReading, ...]:
    """Every norm that runs, in the order of a forward pass. Norms whose half is switched off are left out."""
    trace = _Trace()
    x = trace.through("embedding", model.embedding_norm, "")
    for layer in range(model.architecture.layers):
        x = _follow_layer(trace, model.block(layer), x)
    last = trace.through("final", model.final_norm, x)
    if model.W_U is None:
        trace.mix(last, "the tied unembedding")
    else:
        trace.read(last, LinearMap(model.W_U, model.b_U))
    return trace.readings


@torch.no_grad()
def fold_norms(readings: Sequence[NormReading]) -> tuple[str, ...]:
    """Set the gain to 1 and the bias to 0 in every foldable norm, and its readers to match; names of those folded."""
    folded = []
    for reading in readings:
        if not reading.is_foldable or reading.is_folded:
            continue
        for map_ in reading.maps:
            if reading.bias is not None:
                map_.take_constant(reading.bias)
            map_.scale_inputs(reading.norm.weight)
        reading.norm.weight.fill_(1.0)
        if reading.bias is not None:
            reading.bias.zero_()
        folded.append(reading.name)
    return tuple(folded)


@dataclass
class _Found:
    norm: AnyNorm
    maps: list[LinearMap] = field(default_factory=list)
    others: list[str] = field(default_factory=list)


class _Trace:
    """What is known of each value in the forward pass: the name of the norm it comes from, or "" for none."""

    def __init__(self) -> None:
        self.found: dict[str, _Found] = {}

    def through(self, name: str, norm: nn.Module | None, source: str) -> str:
        """``source`` through a norm; through no norm it is what it was."""
        if not isinstance(norm, AnyNorm):
            return source
        self.mix(source, f"the norm {name}")
        self.found[name] = _Found(norm)
        return name

    def read(self, source: str, *maps: LinearMap) -> None:
        """Linear maps read ``source``."""
        if source:
            self.found[source].maps += maps

    def mix(self, source: str, reader: str) -> None:
        """Something that is no linear map reads ``source``."""
        if source and reader not in self.found[source].others:
            self.found[source].others.append(reader)

    @property
    def readings(self) -> tuple[NormReading, ...]:
        return tuple(
            NormReading(name, found.norm, tuple(found.maps), tuple(found.others)) for name, found in self.found.items()
        )


def _follow_layer(trace: _Trace, layer: Layer, x: str) -> str:
    """The source of the stream after a block, in step with ``Layer.forward``."""
    switches, stream, norms = layer.architecture, "the residual stream", dict(layer.norms.items())

    def normed(site: str, source: str) -> str:
        return trace.through(f"{site} of layer {layer.index}", norms.get(site), source)

    trace.read(normed("attention_in", x), *_reading_maps(layer.attention))
    if switches.attention_residual:
        trace.mix(x, stream)
    x = normed("attention_out", "")
    if switches.mlp == "none":
        return x
    h = normed("mlp_in", x)
    if switches.mlp_input_residual:
        trace.mix(h, stream)
        trace.mix(x, stream)
        x = h = ""
    if layer.mlp is not None:
        trace.read(h, *_reading_maps(layer.mlp))
    f = h if layer.mlp is None else ""
    if switches.mlp_residual:
        trace.mix(x, stream)
        trace.mix(f, stream)
        f = ""
    return normed("mlp_out", f)


def _reading_maps(half: Attention | Mlp) -> tuple[LinearMap, ...]:
    if isinstance(half, Mlp):
        return (LinearMap(half.W_in, half.b_in),)
    pairs = ((half.W_Q, half.b_Q), (half.W_K, half.b_K), (half.W_V, half.b_V))
    return tuple(LinearMap(weight, bias) for weight, bias in pairs)


def changed_by_norms(architecture: Architecture, aspects: frozenset[Aspect]) -> frozenset[Aspect]:
    """What is left of a change of how weights read norms: no head does where the only norms are before the MLPs."""
    is_read_by_mlps_only = {*architecture.norm_sites} <= {"mlp_in"}
    return aspects - {Aspect.STREAM_READS} if is_read_by_mlps_only else aspects
