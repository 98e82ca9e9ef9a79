"""Path patching: a head's corrupt output reaches its receivers along direct paths only, everything else stays clean.

With z the clean outputs and one sender's z taken from the corrupt input (Wang et al. 2022, arXiv 2211.00593, appendix
on path patching; Goldowsky-Dill et al. 2023, arXiv 2304.05969):

1. the residual stream is added up again with the sender's corrupt write and the clean writes of every other head and
   MLP. Norms are computed anew, for they are no writers but part of the path;
2. receivers put out what they make of that stream;
3. the model is run on the clean input, sender included, with the receivers' outputs from step 2; what comes after
   them is computed anew.

The logits as receiver are read off the stream of step 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.interventions import Cache
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.measures.patching.pairs import mean_margin
from auditor.measures.patching.runs import SharedPairs
from auditor.records import Component


@dataclass(frozen=True)
class Runs:
    """The untouched passes over a batch of pairs of one length."""

    model: CanonicalTransformer
    part: InputBatch  # the clean inputs
    logits: Tensor  # of the clean inputs
    clean: Cache
    corrupt: Cache

    @property
    def blocked(self) -> Tensor:
        """Where queries may not look."""
        return self.model.blocked(self.part.tokens)

    def margin(self, logits: Tensor) -> Tensor:
        """Mean margin of the clean type over the positions read, logits, [sequence]."""
        return mean_margin(self.part, logits)

    def rerun(self, outputs: dict[tuple[Site, int], Tensor], layer: int) -> Tensor:
        """Logits of the clean inputs with these outputs in place; ``layer`` is the first of them."""

        def hook(site: Site, index: int, value: Tensor) -> Tensor:
            return outputs.get((site, index), value)

        return self.model.run_from(self.clean[Site.RESIDUAL, layer], self.part.tokens, layer, hook)


@dataclass(frozen=True)
class Stream:
    """The residual stream of step 1 from the sender's layer on, [batch, position, model]."""

    entering: dict[int, Tensor]  # by layer, after the sender's
    between: dict[int, Tensor]  # what stands between attention and MLP, by layer
    final: Tensor


Path = Callable[[Runs, Component, Stream], Tensor]
"""(runs, sender, its stream) → logits of the patched model."""


@torch.no_grad()
def path_effects(pairs: SharedPairs, path: Path) -> NDArray[np.float64]:
    """Margin of the clean type that is lost along the path, logits, [sequence, head]: a column per sender."""
    heads = pairs.clean.model.architecture.heads
    effects = np.empty((len(pairs.clean.inputs), len(heads)))
    for rows, runs in _untouched_runs(pairs):
        for column, sender in enumerate(heads):
            logits = path(runs, sender, _stream(runs, sender))
            effects[rows.numpy(), column] = (runs.margin(runs.logits) - runs.margin(logits)).numpy()
    return effects


@torch.no_grad()
def head_to_head_effects(pairs: SharedPairs) -> NDArray[np.float64]:
    """The same for each receiving head alone, [sequence, head, to_head]; 0 where the receiver is in no later layer."""
    heads = pairs.clean.model.architecture.heads
    effects = np.zeros((len(pairs.clean.inputs), len(heads), len(heads)))
    for rows, runs in _untouched_runs(pairs):
        effects[rows.numpy()] = head_to_head(runs, heads).numpy()
    return effects


def head_to_head(runs: Runs, senders: Sequence[Component]) -> Tensor:
    """The same for one batch and some senders, [sequence, sender, to_head]; differentiable."""
    clean, found = runs.margin(runs.logits), []
    for sender in senders:
        z = _later_z(runs, _stream(runs, sender))
        for receiver in runs.model.architecture.heads:
            lost = torch.zeros_like(clean)
            if receiver.layer > sender.layer:
                lost = clean - runs.margin(runs.rerun(_one_head(runs, receiver, z[receiver.layer]), receiver.layer))
            found.append(lost)
    return torch.stack(found, dim=1).view(len(clean), len(senders), -1)


def no_direct_path(model: CanonicalTransformer) -> str | None:
    """Why no head reaches the logits past all MLPs, or None."""
    if model.architecture.mlp == "two_layer" and not model.architecture.mlp_residual:
        return "there is no residual past the MLPs: what a head writes goes on through them alone"
    return None


def no_later_mlp(model: CanonicalTransformer) -> str | None:
    """Why no head reaches an MLP, or None."""
    return None if model.architecture.mlp == "two_layer" else "the model has no MLP"


def no_later_head(model: CanonicalTransformer) -> str | None:
    """Why no head reaches another, or None."""
    if model.architecture.layers < 2:
        return "with one layer no head reads another"
    return no_direct_path(model)


def to_logits(runs: Runs, sender: Component, stream: Stream) -> Tensor:
    """Sender → logits, through no head and no MLP."""
    del sender
    return runs.model.unembed(stream.final)


def to_later_mlps(runs: Runs, sender: Component, stream: Stream) -> Tensor:
    """Sender → the MLPs of its own and all later layers → logits."""
    written = {}
    for layer, x in stream.between.items():
        block = runs.model.block(layer)
        if block.mlp is not None:
            written[Site.MLP_OUT, layer] = block.mlp(block.mlp_input(x)[0], layer, None)
    return runs.rerun(written, sender.layer)


def to_later_heads(runs: Runs, sender: Component, stream: Stream) -> Tensor:
    """Sender → queries, keys and values of all heads of later layers → logits."""
    z = _later_z(runs, stream)
    return runs.rerun({(Site.Z, layer): value for layer, value in z.items()}, sender.layer) if z else runs.logits


def _untouched_runs(pairs: SharedPairs) -> Iterator[tuple[Tensor, Runs]]:
    for piece in pairs.clean.pieces():
        length = piece.part.tokens.shape[1]
        z = pairs.corrupt.activations(piece.rows, Site.Z, length)
        corrupt = Cache({(Site.Z, layer): value for layer, value in enumerate(z)})
        yield piece.rows, Runs(pairs.clean.model, piece.part, piece.logits, piece.cache, corrupt)


def _stream(runs: Runs, sender: Component) -> Stream:
    """Step 1."""
    model, clean = runs.model, runs.clean
    z = _one_head(runs, sender, runs.corrupt[Site.Z, sender.layer])[Site.Z, sender.layer]
    write, x = model.attentions[sender.layer].write(z), clean[Site.RESIDUAL, sender.layer]
    entering: dict[int, Tensor] = {}
    between: dict[int, Tensor] = {}
    for layer in range(sender.layer, model.architecture.layers):
        block = model.block(layer)
        if layer > sender.layer:
            entering[layer], write = x, clean[Site.ATTENTION_OUT, layer]
        between[layer] = block.add_attention(x, write)
        if block.mlp is None:
            x = block.mlp_half(between[layer])  # no MLP, or one that passes on what it reads: part of the path
        else:
            x = block.add_mlp(block.mlp_input(between[layer])[1], clean[Site.MLP_OUT, layer])
    return Stream(entering, between, x)


def _later_z(runs: Runs, stream: Stream) -> dict[int, Tensor]:
    """Step 2 for heads: z of all heads of each later layer, [batch, position, head, value_width]."""
    kept: dict[int, Tensor] = {}

    def hook(site: Site, layer: int, value: Tensor) -> Tensor:
        if site is Site.Z:
            kept[layer] = value
        return value

    for layer, x in stream.entering.items():
        block = runs.model.block(layer)
        block.attention(block.normed("attention_in", x), runs.blocked, layer, hook)
    return kept


def _one_head(runs: Runs, head: Component, z: Tensor) -> dict[tuple[Site, int], Tensor]:
    """The layer's clean z with one head's taken from ``z``."""
    mixed = runs.clean[Site.Z, head.layer].clone()
    mixed[:, :, head.head] = z[:, :, head.head]
    return {(Site.Z, head.layer): mixed}
