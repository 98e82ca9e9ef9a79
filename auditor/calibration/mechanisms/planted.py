"""Models with a known mechanism, and claims about them that are true or false by construction.

Each is a model that was compiled by hand from a program (as Lindner et al. 2023, arXiv 2301.05062, compile RASP), in
which one layer counts the depth and one looks up the stack top, with one head each. One of the two layers is then
decorated with heads that the function does not need:

    unread      a head on START and a copy of the program's head; neither writes anything
    cancelling  two copies of the program's head that write with opposite signs: ablating one of them costs much,
                ablating both costs nothing

All claims hold for the decorated model clearly and by the same thresholds. What they are worth differs:

    forced       a step of the program, of a head that no other head of its layer could replace, or of some head
    replaceable  a step of the program, of a head whose decorations could take over its work
    false        about a decoration
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Literal

import torch

from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import methods
from auditor.language.grammar import Dyck
from auditor.language.task import Objective, Task
from auditor.records import Claim, Component, Json
from auditor.symmetries.widening import share_with_last, widened
from auditor.zoo.construction import constructed_model

SHARPNESS, FORBIDDEN = 12.0, -12.0
"""Attention scores and logits small enough for training to move the weights: e^−12 of each goes astray."""

POSITIONS = 34
"""Tokens that fit."""

IMPORTANT = 0.1
"""Effect of ablation, nats per scored output, from which on a head is called important."""

ON_START = 2 * SHARPNESS
"""Score by which a head on START prefers it."""

Attacked = Literal["attention", "importance"]
Standing = Literal["forced", "replaceable", "false"]

STANDINGS: tuple[Standing, ...] = ("forced", "replaceable", "false")


@dataclass(frozen=True)
class PlantedClaim:
    """A claim, what it is worth, and what an attack on it moves in which heads."""

    claim: Claim
    standing: Standing
    attacked: Attacked
    heads: tuple[Component, ...]


@dataclass(frozen=True)
class Mechanism:
    """A decorated model in float32 and the claims about it, all of which hold for the model as it is."""

    name: str
    model: CanonicalTransformer
    claims: tuple[PlantedClaim, ...]


def generator_mechanism(name: str, task: Task, decorated_layer: int) -> Mechanism:
    """The generator of ``auditor.zoo.construction``, with layer 0 or layer 1 decorated."""
    model = balanced(constructed_model(task, POSITIONS, sharpness=SHARPNESS, forbidden=FORBIDDEN))
    return Mechanism(name, decorated(model, decorated_layer), claims_about(decorated_layer))


def claims_about(decorated_layer: int) -> tuple[PlantedClaim, ...]:
    """Claims about a model in which head L0H0 counts the depth and L1H0 looks up the stack top."""
    plain, chosen = 1 - decorated_layer, decorated_layer
    own, other = _ATTENDS[chosen], _ATTENDS[plain]
    lone, head, sink, unread, cancelling, _ = (Component(plain, head=0), *decorated_heads(chosen))
    return (
        _attends(lone, other, "forced"),
        _matters(lone, "forced"),
        _some_head_attends(chosen, own),
        _attends(head, own, "replaceable"),
        _matters(head, "replaceable"),
        _attends(sink, "attention_start_mass", "false"),
        _attends(unread, own, "false"),
        _attends(cancelling, own, "false"),
        _matters(cancelling, "false"),
    )


_ATTENDS = ("attention_uniformity", "attention_stack_top")
"""What the head of each layer does, by the method that shows it."""


def decorated_heads(layer: int) -> tuple[Component, ...]:
    """The program's head, an unread one on START, an unread copy, and the two that cancel."""
    return tuple(Component(layer, head=head) for head in range(5))


@torch.no_grad()
def decorated(model: CanonicalTransformer, layer: int) -> CanonicalTransformer:
    """The same function with the four heads of :func:`decorated_heads` behind the first one of a layer."""
    one_more = [int(index == layer) for index in range(model.architecture.layers)]
    twin = widened(model, heads=one_more)
    attention, start = twin.attentions[layer], model.task.language.vocabulary.start or 0
    strength = math.sqrt(ON_START / attention.scale)
    attention.b_Q[-1, 0] = strength
    attention.W_K[twin.W_E[start] > 0, -1, 0] = strength
    for given in (0.0, 1.0, -1.0):
        twin = widened(twin, heads=one_more)
        share_with_last(twin.attentions[layer], 0, kept=1.0, given=given)
    return twin


@torch.no_grad()
def balanced(model: CanonicalTransformer) -> CanonicalTransformer:
    """The same function with queries as large as keys, and what a neuron reads as large as what it writes.

    Steps of one size then move both sides alike.
    """
    twin = model.clone()
    for attention in twin.attentions:
        for head in range(attention.W_Q.shape[1]):
            queries = _size(attention.W_Q[:, head], attention.b_Q[head])
            keys = _size(attention.W_K[:, head], attention.b_K[head])
            if min(queries, keys) > 0:
                ratio = math.sqrt(keys / queries)
                attention.W_Q[:, head] *= ratio
                attention.b_Q[head] *= ratio
                attention.W_K[:, head] /= ratio
                attention.b_K[head] /= ratio
    for mlp in twin.mlps:
        for neuron in range(mlp.W_out.shape[0]):
            read = _size(mlp.W_in[:, neuron], mlp.b_in[[neuron]])
            written = _size(mlp.W_out[neuron])
            if min(read, written) > 0:
                ratio = math.sqrt(written / read)
                mlp.W_in[:, neuron] *= ratio
                mlp.b_in[neuron] *= ratio
                mlp.W_out[neuron] /= ratio
    return twin


def _size(*weights: torch.Tensor) -> float:
    return float(torch.cat([weight.flatten() for weight in weights]).norm())


def _attends(head: Component, method: str, standing: Standing) -> PlantedClaim:
    name, parameters = _predicate(method)
    return PlantedClaim(
        Claim(method, "predicate", head, f"{head.label} is {name}", parameters), standing, "attention", (head,)
    )


def _some_head_attends(layer: int, method: str) -> PlantedClaim:
    heads = decorated_heads(layer)
    name, parameters = _predicate(method)
    claim = Claim(
        method, "existence", Component(0, part="some head"), f"some head is {name}", {**parameters, "methods": [method]}
    )
    return PlantedClaim(claim, "forced", "attention", heads)


def _matters(head: Component, standing: Standing) -> PlantedClaim:
    parameters: dict[str, Json] = {"predicate": "important", "threshold": IMPORTANT, "above": True}
    claim = Claim("ablation_head_mean", "predicate", head, f"{head.label} is important", parameters)
    return PlantedClaim(claim, standing, "importance", (head,))


def _predicate(method: str) -> tuple[str, dict[str, Json]]:
    name, threshold = next(iter(methods()[method].predicates.items()))
    return name, {"predicate": name, "threshold": threshold, "above": True}


def _made(types: int, depth: int, objective: Objective, decorated_layer: int) -> Callable[[str], Mechanism]:
    task = Task(Dyck.standard(types, depth), objective, max_length=14)
    return partial(generator_mechanism, task=task, decorated_layer=decorated_layer)


MECHANISMS: Mapping[str, Callable[[str], Mechanism]] = MappingProxyType(
    {
        "Dyck(2, 3), reading layer decorated": _made(2, 3, "next_token", 1),
        "Dyck(2, 3), counting layer decorated": _made(2, 3, "next_token", 0),
        "Dyck(3, 2), reading layer decorated": _made(3, 2, "next_token", 1),
        "closing brackets of Dyck(2, 4), counting layer decorated": _made(2, 4, "closing_bracket", 0),
    }
)
"""How each model is made, by name."""


def mechanisms(names: Sequence[str] = tuple(MECHANISMS)) -> tuple[Mechanism, ...]:
    """The models of these names."""
    return tuple(MECHANISMS[name](name) for name in names)
