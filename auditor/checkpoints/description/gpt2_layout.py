"""The tensors of a GPT-2: ``wte``, ``wpe``, blocks ``h.N`` with a fused ``c_attn``, ``ln_f`` and ``lm_head``.

Two codes write them under the same names and in transposed layouts: Hugging Face's Conv1D stores the input axis
first, nn.Linear (nanoGPT) the output axis. The shape of the fused matrix, three times as long as wide, shows which.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from auditor.canonical.architecture import Activation, Architecture, Block
from auditor.checkpoints.description.fused_attention import head_width, split_fused
from auditor.checkpoints.description.state_dict import StateDict
from auditor.errors import ConfigurationError

_FUSED = re.compile(r"(?:^|\.)h\.\d{1,6}\.attn\.c_attn\.weight$")
_BUFFERS = ("attn.bias", "attn.masked_bias")
"""The causal mask, which older releases of both codes saved."""

BODY = "transformer."
_HEAD = "lm_head.weight"
LANDMARK = r"(?:transformer\.)?w[tp]e\.weight"
"""A name that every checkpoint of a GPT-2 has."""


@dataclass(frozen=True, slots=True)
class Gpt2Sizes:
    """The facts of a GPT-2, under names of our own."""

    layers: int
    width: int
    heads: int
    neurons: int
    positions: int
    vocabulary: int
    activation: Activation
    epsilon: float = 1e-5
    scale: float | None = None  # factor of the scores; None: 1/√(width of a head)
    scale_by_layer: bool = False  # scores of layer i are divided by i + 1 as well
    tied: bool = True
    biases: bool = True
    heads_named: str = "n_head"


def is_input_first(tensors: Mapping[str, Tensor]) -> bool | None:
    """Whether the fused matrices are [model, 3 · model]; None where no tensor is one, or they disagree."""
    shapes = [tuple(tensor.shape) for name, tensor in tensors.items() if _FUSED.search(name)]
    if shapes and all(len(shape) == 2 and shape[1] == 3 * shape[0] for shape in shapes):
        return True
    if shapes and all(len(shape) == 2 and shape[0] == 3 * shape[1] for shape in shapes):
        return False
    return None


def has_gpt2_names(names: Mapping[str, object]) -> bool:
    """Whether names begin as in a GPT-2, with or without the name of the body."""
    return "wpe.weight" in names or f"{BODY}wpe.weight" in names


def body_of(names: Mapping[str, object]) -> str:
    """What the names of all but the head begin with: nothing where the body alone was saved."""
    return BODY if any(name.startswith(BODY) for name in names) else ""


def with_embedding(tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The tensors with the token table, where a library that saves shared tensors once kept it as the head only."""
    embedding = f"{body_of(tensors)}wte.weight"
    if embedding in tensors or _HEAD not in tensors:
        return tensors
    return {**tensors, embedding: tensors[_HEAD]}


def rows_of(tensors: Mapping[str, Tensor], name: str) -> int | None:
    """Rows of a table of the body."""
    table = with_embedding(tensors).get(body_of(tensors) + name)
    return None if table is None or table.dim() != 2 else table.shape[0]


def layers_of(names: Mapping[str, object]) -> int:
    """One more than the highest block number."""
    numbers = [int(found[1]) for name in names if (found := re.search(r"(?:^|\.)h\.(\d{1,6})\.", name))]
    return 1 + max(numbers, default=-1)


def gpt2_architecture(sizes: Gpt2Sizes) -> Architecture:
    """The canonical switches of a GPT-2."""
    width = head_width(sizes.width, sizes.heads, named=sizes.heads_named)
    return Architecture(
        model_width=sizes.width,
        vocabulary_size=sizes.vocabulary,
        blocks=(Block(sizes.heads, width, width, sizes.neurons),) * sizes.layers,
        norm_epsilon=sizes.epsilon,
        attention_scale=sizes.scale,
        activation=sizes.activation,
        positions="learned",
        max_positions=sizes.positions,
        tied_unembedding=sizes.tied,
    )


@dataclass(frozen=True)
class Gpt2Tables:
    """Takes the tensors of a GPT-2 out of a state dict."""

    state: StateDict
    sizes: Gpt2Sizes
    body: str  # what the names of all but the head begin with
    because: str  # where the sizes come from
    input_first: bool

    def take(self) -> dict[str, Tensor]:
        """All canonical tables; every tensor of the state dict is taken or refused.

        Raises:
            FormatError: a tensor that is missing or unknown, by name.
            ConfigurationError: one of another shape than described, or heads that do not share the width.
        """
        sizes = self.sizes
        head_width(sizes.width, sizes.heads, named=sizes.heads_named)
        tables = {
            "W_E": self._vector("wte.weight", sizes.vocabulary, sizes.width),
            "W_pos": self._vector("wpe.weight", sizes.positions, sizes.width),
            "b_U": torch.zeros(sizes.vocabulary),
        }
        for layer in range(sizes.layers):
            tables |= self._layer(layer)
        tables |= self._norm("ln_f", "final_norm")
        if not sizes.tied:
            tables["W_U"] = self.state.take(_HEAD, sizes.vocabulary, sizes.width, because=self.because).T
        elif _HEAD in self.state:
            self._check_tie(tables["W_E"])
        self.state.finish()
        return tables

    def _layer(self, layer: int) -> dict[str, Tensor]:
        there, here, sizes = f"h.{layer}", f"layers.{layer}", self.sizes
        for buffer in _BUFFERS:
            self.state.ignore(f"{self.body}{there}.{buffer}")
        width = sizes.width
        weight, bias = self._map(f"{there}.attn.c_attn", width, 3 * width)
        factor = 1.0 / (layer + 1) if sizes.scale_by_layer else 1.0
        parts = split_fused(weight, bias, heads=sizes.heads, scale_queries=factor)
        output, output_bias = self._map(f"{there}.attn.c_proj", width, width)
        parts |= {"W_O": output.reshape(sizes.heads, width // sizes.heads, width), "b_O": output_bias}
        w_in, b_in = self._map(f"{there}.mlp.c_fc", width, sizes.neurons)
        w_out, b_out = self._map(f"{there}.mlp.c_proj", sizes.neurons, width)
        mlp = {"W_in": w_in, "b_in": b_in, "W_out": w_out, "b_out": b_out}
        return {
            **{f"{here}.attention.{name}": table for name, table in parts.items()},
            **{f"{here}.mlp.{name}": table for name, table in mlp.items()},
            **self._norm(f"{there}.ln_1", f"{here}.norms.attention_in"),
            **self._norm(f"{there}.ln_2", f"{here}.norms.mlp_in"),
        }

    def _map(self, name: str, inputs: int, outputs: int) -> tuple[Tensor, Tensor]:
        """(weight [input, output], bias [output])."""
        if self.input_first:
            weight = self._vector(f"{name}.weight", inputs, outputs)
        else:
            weight = self._vector(f"{name}.weight", outputs, inputs).T
        return weight, self._bias(name, outputs)

    def _norm(self, name: str, here: str) -> dict[str, Tensor]:
        width = self.sizes.width
        return {f"{here}.weight": self._vector(f"{name}.weight", width), f"{here}.bias": self._bias(name, width)}

    def _bias(self, name: str, width: int) -> Tensor:
        return self._vector(f"{name}.bias", width) if self.sizes.biases else torch.zeros(width)

    def _vector(self, name: str, *shape: int) -> Tensor:
        return self.state.take(self.body + name, *shape, because=self.because)

    def _check_tie(self, embedding: Tensor) -> None:
        head = self.state.take(_HEAD, *embedding.shape, because=self.because)
        if not torch.equal(head, embedding):
            raise ConfigurationError(
                f"'lm_head.weight' differs from '{self.body}wte.weight', which {self.because} ties to it",
                expected="one table, or a description without the tie",
            )
