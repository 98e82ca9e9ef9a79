"""The laws can fail: each plug-in below breaks one of them."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from auditor import contracts
from auditor.canonical.model import CanonicalTransformer
from auditor.checkpoints.formats.nanogpt import Nanogpt
from auditor.contracts import Transformed, TransformRequest, Weights
from auditor.equivalences.exact_key_bias_shift import KeyBiasShift
from auditor.interpretations.attention_start_mass import StartMass
from auditor.measures.attention import Rows
from auditor.records import Expected, Relabelling
from auditor.records.theory import Aspect, Dependence, Expectation
from auditor.registry import Discovered
from auditor.testing import check_adapter, check_equivalence, check_method
from tests.foreign.nanogpt import nanogpt


class Forgetful(StartMass):
    """Depends on the order of the heads and does not declare it."""

    depends_on: ClassVar[Dependence] = {Aspect.HEAD_COUNT: Expected.RELABELLED}


class Unexplained(StartMass):
    """Declares that theory predicts nothing, without a reason."""

    depends_on: ClassVar[Dependence] = {**StartMass.depends_on, Aspect.KEY_ZERO: Expected.OPEN}


class Excusing(StartMass):
    """States an exception under an equivalence that does not exist."""

    exceptions = {"exact_nothing": Expectation(Expected.FREE, "no reason")}  # noqa: RUF012 - a plug-in's constant


class Careless(StartMass):
    """Draws from torch's own generator."""

    def read(self, rows: Rows) -> Tensor:
        return super().read(rows) + torch.rand(1).double() * 0


class WrongFunction(KeyBiasShift):
    """Another function."""

    @torch.no_grad()
    def transform(self, request: TransformRequest) -> Transformed:
        twin = super().transform(request).model
        twin.b_U[0] += 1.0
        return Transformed(twin)


class Mislabelled(KeyBiasShift):
    """Returns a relabelling of heads that did not move."""

    def transform(self, request: TransformRequest) -> Transformed:
        twin = super().transform(request).model
        heads = len(twin.architecture.heads)
        return Transformed(twin, Relabelling({"head": tuple((heads - 1 - index,) for index in range(heads))}))


class Misdeclared(KeyBiasShift):
    """Declares that it changes what weights write, but changes the zero of the keys."""

    changes = frozenset({Aspect.STREAM_WRITES})


class Tolerant(Nanogpt):
    """Accepts keys that it does not know."""

    def recognises(self, weights: Weights) -> bool:
        return weights.metadata.get("of") == "tolerant"

    def convert(self, weights: Weights) -> CanonicalTransformer:
        known = {name: tensor for name, tensor in weights.tensors.items() if not name.startswith(("adapter", "~"))}
        return super().convert(replace(weights, tensors=known))


def _register(door: str, plugin: object, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let the registry know a plug-in by the name of its class."""
    name = type(plugin).__name__.lower()
    plugin.name = name  # type: ignore[attr-defined]
    known = {**getattr(contracts, door)(), name: plugin}
    monkeypatch.setattr(contracts, f"_{door}", lambda: Discovered(known))
    return name


@pytest.mark.parametrize("broken", [Forgetful, Unexplained, Excusing, Careless])
def test_a_method_that_breaks_a_law(broken: type[StartMass], monkeypatch: pytest.MonkeyPatch) -> None:
    name = _register("methods", broken(), monkeypatch)
    with pytest.raises(AssertionError):
        check_method(name)


@pytest.mark.parametrize("broken", [WrongFunction, Mislabelled, Misdeclared])
def test_an_equivalence_that_breaks_a_law(broken: type[KeyBiasShift], monkeypatch: pytest.MonkeyPatch) -> None:
    name = _register("equivalences", broken(), monkeypatch)
    with pytest.raises(AssertionError):
        check_equivalence(name, judged_by=("weights_ov_norm",))


def test_an_adapter_that_breaks_a_law(monkeypatch: pytest.MonkeyPatch) -> None:
    name = _register("adapters", Tolerant(), monkeypatch)
    example = replace(nanogpt(1).weights(), metadata={"of": "tolerant"})
    monkeypatch.setattr(Nanogpt, "recognises", lambda self, _weights: isinstance(self, Tolerant))
    with pytest.raises(AssertionError, match=r"adapter\.lora_A"):
        check_adapter(name, [example], ignored=(".attn.bias",))


def test_an_exact_equivalence_must_declare_what_it_changes() -> None:
    with pytest.raises(TypeError, match="Silent does not declare what it changes"):

        class Silent(KeyBiasShift):
            changes = frozenset()
