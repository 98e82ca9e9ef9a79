"""The canonical Transformer: the one module that every checkpoint is converted to.

With x the residual stream as row vectors, per layer and head h::

    q = N(x) W_Q + b_Q     k = N(x) W_K + b_K     v = N(x) W_V + b_V     (q, k turned by rotary positions, if any)
    A = softmax(mask(q kᵀ · scale))       z = A v       attention(x) = Σ_h z_h W_O^h + b_O

Attention is explicit, so that its pattern can be read and replaced. Sites (``auditor.canonical.sites``) are functions
passed down the forward call, not hooks: nothing is left behind, also after an error. ``z_site`` and ``pattern_site``
are modules for libraries that attribute at a module (Captum).

Longer than other files, so that one forward pass reads from tokens to logits in one place.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from auditor.canonical.architecture import Architecture, Block
from auditor.canonical.read_out import hides_padding, read_positions
from auditor.canonical.rotary import rotary_of
from auditor.canonical.sites import Hook, Site
from auditor.errors import ConfigurationError, LanguageError
from auditor.language.grammar import token_roles
from auditor.language.task import Task
from auditor.tensors import Logits, Mask, Residual, Tokens

RESTING = 1e-11
"""Up to this input a ReLU has the slope 0; what it gives is not changed.

In models that are written down or compiled many neurons rest exactly at 0. Rounding would decide whether a gradient
passes them, so that models of one function would get different gradients.
"""


class Relu(nn.Module):
    """max(0, x) with the slope 0 up to :data:`RESTING`, by reverse and forward differentiation."""

    def forward(self, x: Tensor) -> Tensor:
        """Element by element."""
        return torch.where(x > RESTING, x, x.relu().detach())


_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": Relu,
    "gelu_tanh": lambda: nn.GELU(approximate="tanh"),
    "gelu_erf": nn.GELU,
}


class Attention(nn.Module):
    """All heads of a layer. W_Q, W_K, W_V: [model, head, width].

    W_O: [head, value_width, model], absent without an output map.
    """

    def __init__(self, architecture: Architecture, block: Block) -> None:
        super().__init__()
        width, heads, d_k, d_v = architecture.model_width, block.heads, block.query_width, block.value_width
        self.scale = architecture.attention_scale or 1.0 / math.sqrt(d_k)
        self.rotary = rotary_of(architecture)
        self.W_Q = nn.Parameter(torch.zeros(width, heads, d_k))
        self.W_K = nn.Parameter(torch.zeros(width, heads, d_k))
        self.W_V = nn.Parameter(torch.zeros(width, heads, d_v))
        self.b_Q = nn.Parameter(torch.zeros(heads, d_k))
        self.b_K = nn.Parameter(torch.zeros(heads, d_k))
        self.b_V = nn.Parameter(torch.zeros(heads, d_v))
        self.W_O = nn.Parameter(torch.zeros(heads, d_v, width)) if architecture.output_map else None
        self.b_O = nn.Parameter(torch.zeros(width)) if architecture.output_map else None
        self.pattern_site = nn.Softmax(dim=-1)
        self.z_site = nn.Identity()

    def forward(self, x: Residual, blocked: Mask, layer: int, hook: Hook | None) -> Residual:
        """The sum of all heads' writes. ``blocked`` is True where a query may not look."""
        q = _heads(x, self.W_Q, self.b_Q).transpose(1, 2)  # [batch, head, query, query_width]
        k = _heads(x, self.W_K, self.b_K).transpose(1, 2)
        v = _heads(x, self.W_V, self.b_V).transpose(1, 2)
        if self.rotary is not None:
            q, k = self.rotary.turned(q), self.rotary.turned(k)
        scores = (q @ k.transpose(-1, -2) * self.scale).masked_fill(blocked, -math.inf)
        pattern = self.pattern_site(scores)
        if hook is not None:
            pattern = hook(Site.PATTERN, layer, pattern)
        z = self.z_site((pattern @ v).transpose(1, 2))  # [batch, position, head, value_width]
        if hook is not None:
            z = hook(Site.Z, layer, z)
        return self.write(z)

    def fast(self, x: Residual, blocked: Mask, *, read: int | None = None) -> Residual:
        """The same write without materialised patterns, for when only logits are wanted.

        ``read`` names the one position whose write is wanted: [batch, 1, model].
        """
        if read is not None:
            blocked = blocked[..., [read], :].view(-1, 1, 1, x.shape[1])
        q, k, v = (part.transpose(1, 2) for part in self._projected(x, read))
        if self.rotary is not None:
            q, k = self.rotary.turned(q, None if read is None else read % x.shape[1]), self.rotary.turned(k)
        allowed = None if blocked.dim() == 2 else ~blocked
        z = F.scaled_dot_product_attention(q, k, v, attn_mask=allowed, is_causal=allowed is None, scale=self.scale)
        return self.write(z.transpose(1, 2))

    def _projected(self, x: Residual, read: int | None) -> tuple[Tensor, Tensor, Tensor]:
        """q, k, v [batch, position, head, width] from one product; q of the one position ``read`` alone if named."""
        weights, biases = (self.W_Q, self.W_K, self.W_V), (self.b_Q, self.b_K, self.b_V)
        if read is None:
            q, k, v = _joint_heads(x, weights, biases)
        else:
            q = _heads(x[:, [read]], self.W_Q, self.b_Q)
            k, v = _joint_heads(x, weights[1:], biases[1:])
        return q, k, v

    @property
    def output(self) -> tuple[Tensor, Tensor]:
        """(W_O, b_O).

        Raises:
            ConfigurationError: the architecture has no output map.
        """
        if self.W_O is None or self.b_O is None:
            raise ConfigurationError("a layer without an output map", expected="W_O")
        return self.W_O, self.b_O

    def write(self, z: Tensor) -> Residual:
        """Σ_h z_h W_O^h + b_O, or the concatenated heads without an output map."""
        flat = z.flatten(2)
        if self.W_O is None or self.b_O is None:
            return flat
        return torch.addmm(self.b_O, flat.flatten(0, 1), self.W_O.flatten(0, 1)).view(*z.shape[:2], -1)


def _heads(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    flat = torch.addmm(bias.flatten(), x.flatten(0, 1), weight.flatten(1))
    return flat.view(*x.shape[:2], *bias.shape)


def _joint_heads(x: Tensor, weights: Sequence[Tensor], biases: Sequence[Tensor]) -> list[Tensor]:
    """The projections of several maps: one wide product is faster than narrow ones."""
    joint = torch.cat([weight.flatten(1) for weight in weights], 1)
    flat = torch.addmm(torch.cat([bias.flatten() for bias in biases]), x.flatten(0, 1), joint).view(*x.shape[:2], -1)
    parts: list[Tensor] = []
    start = 0
    for bias in biases:
        parts.append(flat[..., start : start + bias.numel()].view(*x.shape[:2], *bias.shape))
        start += bias.numel()
    return parts


class Mlp(nn.Module):
    """act(x W_in + b_in) W_out + b_out, with W_in [model, neuron] and W_out [neuron, model]."""

    def __init__(self, architecture: Architecture, block: Block) -> None:
        super().__init__()
        width = architecture.model_width
        self.W_in = nn.Parameter(torch.zeros(width, block.neurons))
        self.b_in = nn.Parameter(torch.zeros(block.neurons))
        self.W_out = nn.Parameter(torch.zeros(block.neurons, width))
        self.b_out = nn.Parameter(torch.zeros(width))
        self.neuron_site = _ACTIVATIONS[architecture.activation]()

    def forward(self, x: Residual, layer: int, hook: Hook | None) -> Residual:
        """What the MLP writes."""
        hidden = self.neuron_site(x @ self.W_in + self.b_in)
        if hook is not None:
            hidden = hook(Site.NEURON, layer, hidden)
        out: Tensor = hidden @ self.W_out + self.b_out
        return out


class Layer(nn.Module):
    """One block: attention half, then MLP half, with the residuals and norms that the architecture switches on."""

    def __init__(self, architecture: Architecture, layer: int) -> None:
        super().__init__()
        self.architecture, self.index = architecture, layer
        block = architecture.blocks[layer]
        self.attention = Attention(architecture, block)
        self.mlp = Mlp(architecture, block) if architecture.mlp == "two_layer" else None
        self.norms = nn.ModuleDict({site: _norm(architecture) for site in _block_sites(architecture)})

    def forward(self, x: Residual, blocked: Mask, hook: Hook | None = None, *, fast: bool = False) -> Residual:
        """The residual stream after this block."""
        y = self.normed("attention_in", x)
        a = self.attention.fast(y, blocked) if fast else self.attention(y, blocked, self.index, hook)
        if hook is not None:
            a = hook(Site.ATTENTION_OUT, self.index, a)
        return self.mlp_half(self.add_attention(x, a), hook)

    def add_attention(self, x: Residual, a: Residual) -> Residual:
        """The stream between the halves, from the stream ``x`` that entered and what attention writes."""
        return self.normed("attention_out", x + a if self.architecture.attention_residual else a)

    def mlp_half(self, x: Residual, hook: Hook | None = None) -> Residual:
        """The stream after this block, from the one between the halves."""
        if self.architecture.mlp == "none":
            return x
        h, x = self.mlp_input(x)
        f = h if self.mlp is None else self.mlp(h, self.index, hook)
        if hook is not None:
            f = hook(Site.MLP_OUT, self.index, f)
        return self.add_mlp(x, f)

    def mlp_input(self, x: Residual) -> tuple[Residual, Residual]:
        """What the MLP reads, and the stream that goes past it."""
        h = self.normed("mlp_in", x)
        if self.architecture.mlp_input_residual:
            h = x = h + x
        return h, x

    def add_mlp(self, x: Residual, f: Residual) -> Residual:
        """The stream after this block, from the one past the MLP and what the MLP writes."""
        return self.normed("mlp_out", x + f if self.architecture.mlp_residual else f)

    def normed(self, site: str, x: Residual) -> Residual:
        """x through the norm of that site, or x itself."""
        if site not in self.norms:
            return x
        out: Tensor = self.norms[site](x)
        return out


def _block_sites(architecture: Architecture) -> list[str]:
    return [site for site in architecture.norm_sites if site not in ("embedding", "final")]


def _norm(architecture: Architecture) -> nn.Module:
    if architecture.norm == "rms":
        return nn.RMSNorm(architecture.model_width, eps=architecture.norm_epsilon)
    return nn.LayerNorm(architecture.model_width, eps=architecture.norm_epsilon)


class CanonicalTransformer(nn.Module):
    """A Dyck Transformer in canonical form, in eval mode, with its architecture and its task.

    ``model(tokens)``: int64 [batch, position] → float [batch, position, vocabulary]; classifiers: [batch, class].
    New models are all zeros: they are filled by an adapter, by training or by an equivalence.
    """

    def __init__(self, architecture: Architecture, task: Task) -> None:
        super().__init__()
        self.architecture, self.task = architecture, task
        width, size = architecture.model_width, architecture.vocabulary_size
        if architecture.embedding == "token":
            self.W_E = nn.Parameter(torch.zeros(size, width))
        else:
            self.W_E = nn.Parameter(torch.zeros(size, architecture.depth_slots, width))
        self.W_E.requires_grad_(architecture.embedding_trained)
        if architecture.positions == "learned":
            self.W_pos = nn.Parameter(torch.zeros(architecture.max_positions or 0, width))
        self.embedding_norm = _norm(architecture) if architecture.has_norm("embedding") else nn.Identity()
        self.layers = nn.ModuleList(Layer(architecture, layer) for layer in range(architecture.layers))
        self.final_norm = _norm(architecture) if architecture.has_norm("final") else nn.Identity()
        self.W_U = None if architecture.tied_unembedding else nn.Parameter(torch.zeros(width, architecture.outputs))
        self.b_U = nn.Parameter(torch.zeros(architecture.outputs))
        self.eval()

    @property
    def attentions(self) -> tuple[Attention, ...]:
        """The attention of each layer."""
        return tuple(layer.attention for layer in self._blocks)

    @property
    def mlps(self) -> tuple[Mlp, ...]:
        """The MLP of each layer that has one."""
        return tuple(layer.mlp for layer in self._blocks if layer.mlp is not None)

    def block(self, layer: int) -> Layer:
        """One block, to be run on a residual stream."""
        return self._blocks[layer]

    @property
    def hides_padding(self) -> bool:
        """Whether padding behind a string leaves what the model says of it as it is."""
        return hides_padding(self.architecture, self.task.language.vocabulary)

    @property
    def _blocks(self) -> tuple[Layer, ...]:
        return tuple(layer for layer in self.layers if isinstance(layer, Layer))

    @property
    def dtype(self) -> torch.dtype:
        """Floating type of the weights."""
        return self.b_U.dtype

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.b_U.device

    def forward(self, tokens: Tokens, hook: Hook | None = None, *, fast: bool = False) -> Logits:
        """Logits. ``hook`` sees and may replace every site; ``fast`` skips the sites (equal up to rounding)."""
        self.check_tokens(tokens)
        x = self.embed(tokens)
        if hook is not None:
            x = hook(Site.EMBEDDING, 0, x)
        return self.run_from(x, tokens, 0, hook, fast=fast)

    def run_from(
        self, x: Residual, tokens: Tokens, layer: int, hook: Hook | None = None, *, fast: bool = False
    ) -> Logits:
        """Logits from the residual stream that enters ``layer``: earlier layers are not run again.

        Of ``tokens`` only what is padding and where the model is read is taken.
        """
        blocked = self.blocked(tokens)
        for index in range(layer, self.architecture.layers):
            if hook is not None:
                x = hook(Site.RESIDUAL, index, x)
            x = self.layers[index](x, blocked, hook, fast=fast)
        return self.read(x, tokens)

    def read(self, x: Residual, tokens: Tokens) -> Logits:
        """Logits from the last residual stream, where ``tokens`` are read."""
        if not self.architecture.is_classifier:
            return self.unembed(x)
        where = self.read_positions(tokens)
        if self.architecture.read_out != "mean":
            return self.unembed(x[where])
        share = where.to(x) / where.sum(1, keepdim=True).clamp_min(1)
        return (share[:, None] @ self.unembed(x)).squeeze(1)  # the map is linear: the mean may come after it

    def read_positions(self, tokens: Tokens) -> Tensor:
        """[batch, position] True where a classifier is read: one position of each string, or all that a mean covers."""
        return read_positions(self.architecture, self.task.language.vocabulary, tokens)

    def unembed(self, x: Residual) -> Logits:
        """Logits of vectors of the last residual stream, [..., model], wherever they are read."""
        weight = self.W_E.T if self.W_U is None else self.W_U
        logits: Tensor = self.final_norm(x) @ weight + self.b_U
        return logits

    def embed(self, tokens: Tokens) -> Residual:
        """Input vectors: the table row of each token (and its depth), plus its position, through the norm behind it."""
        return self.input_vectors(self.token_vectors(tokens))

    def input_vectors(self, x: Residual) -> Residual:
        """What enters the first layer for these token vectors."""
        out: Tensor = self.embedding_norm(self.add_positions(x))
        return out

    def token_vectors(self, tokens: Tokens) -> Residual:
        """The table row of each token (and its depth), without its position."""
        if self.architecture.embedding == "token":
            return F.embedding(tokens, self.W_E)
        return self.W_E[tokens, self.depth_slot(tokens)]

    def add_positions(self, x: Residual) -> Residual:
        """x plus the position encoding.

        A scalar column i/N, in float32 as it was trained, stands in the last feature.
        """
        length, kind = x.shape[1], self.architecture.positions
        if kind == "learned":
            return x + self.W_pos[:length]
        if kind == "sinusoidal":
            return x + _sinusoid(length, x.shape[2]).to(x)
        if kind == "scalar":
            column = torch.arange(length, dtype=torch.float32, device=x.device) / (self.architecture.scalar_period or 1)
            return torch.cat([x[..., :-1], (x[..., -1] + column.to(x.dtype)).unsqueeze(-1)], dim=-1)
        return x

    def depth_slot(self, tokens: Tokens) -> Tokens:
        """Which depth row a token looks up: the depth of its bracket, or the last slot when outside 0 … slots − 2."""
        roles = token_roles(self.task.language.vocabulary)
        change = torch.from_numpy(roles.change).to(tokens.device)[tokens]
        depth = change.cumsum(1)
        if self.architecture.depth_rule == "closing_raised":
            depth = depth + (change < 0)
        outside = self.architecture.depth_slots - 1
        return torch.where((depth >= 0) & (depth < outside), depth, outside)

    def blocked(self, tokens: Tokens) -> Mask:
        """True where a query may not look: the future (causal models), padding keys (``pad_masked``)."""
        length = tokens.shape[1]
        causal = _future(length).to(tokens.device)
        if self.architecture.pad_masked and self.task.language.vocabulary.pad is not None:
            padding = (tokens == self.task.language.vocabulary.pad)[:, None, None, :]
            return padding | causal if self.architecture.causal else padding.expand(-1, 1, length, -1)
        if self.architecture.causal:
            return causal
        return torch.zeros(1, 1, length, length, dtype=torch.bool, device=tokens.device)

    def check_tokens(self, tokens: Tokens) -> None:
        """Raise LanguageError for ids outside the vocabulary or a sequence longer than the position table."""
        if tokens.dim() != 2 or tokens.dtype != torch.int64 or tokens.shape[1] == 0:
            raise LanguageError(
                f"tokens {tokens.dtype} {list(tokens.shape)}", expected="int64 [batch, position] with a position"
            )
        limit = self.architecture.max_positions
        if limit is not None and tokens.shape[1] > limit:
            raise LanguageError(f"a sequence of {tokens.shape[1]} tokens", expected=f"at most {limit} positions")
        if tokens.numel() and not (int(tokens.min()) >= 0 and int(tokens.max()) < self.architecture.vocabulary_size):
            raise LanguageError(
                f"token ids {int(tokens.min())} to {int(tokens.max())}",
                expected=f"0 to {self.architecture.vocabulary_size - 1}",
            )

    def clone(
        self, *, architecture: Architecture | None = None, dtype: torch.dtype | None = None
    ) -> CanonicalTransformer:
        """A copy that shares no memory; with another architecture, an empty model of the same task."""
        if architecture is not None:
            return CanonicalTransformer(architecture, self.task).to(dtype or self.dtype)
        twin = copy.deepcopy(self)
        for parameter in twin.parameters():
            parameter.grad = None
        return twin.to(dtype or self.dtype)


@cache
def _future(length: int) -> Tensor:
    return torch.ones(length, length, dtype=torch.bool).triu(1)


@cache
def _sinusoid(length: int, width: int) -> Tensor:
    """sin and cos of position / 10000^(2i/width) in alternating features (Vaswani et al. 2017, section 3.5)."""
    position = np.arange(length)[:, None]
    rate = np.power(10_000.0, -np.arange(0, width, 2) / width)[None, :]
    table = np.zeros((length, width))
    table[:, 0::2] = np.sin(position * rate)
    table[:, 1::2] = np.cos(position * rate)[:, : width // 2]
    return torch.from_numpy(table)
