"""How well a model does its task, in numbers."""

from __future__ import annotations

from dataclasses import dataclass, field

from auditor.records.record import LEFT_OUT_IF_NONE, Record


@dataclass(frozen=True, slots=True)
class LanguageMetrics(Record):
    """Metrics of a language model on one set of sequences. KL in nats per scored token; None: no scored position."""

    closing_accuracy: float | None
    argmax_accuracy: float | None  # the largest closing bracket is the right one
    kl_nats: float | None  # KL(generator ‖ model); for closing-bracket models −log p(correct closing)
    illegal_mass: float | None  # probability on tokens that the grammar forbids
    sequences: int
    tokens: int  # positions scored by closing accuracy
    reason: str | None = field(default=None, metadata=LEFT_OUT_IF_NONE)  # why a number is missing
    lengths: tuple[int, int] | None = field(default=None, metadata=LEFT_OUT_IF_NONE)  # of longer inputs, in brackets
    depth: int | None = field(default=None, metadata=LEFT_OUT_IF_NONE)  # of deeper inputs


@dataclass(frozen=True, slots=True)
class ClassifierMetrics(Record):
    """How well the classes tell words of the language from other strings."""

    accuracy: float
    word_class: int  # the class that goes with words most often
    sequences: int
    lengths: tuple[int, int] | None = field(default=None, metadata=LEFT_OUT_IF_NONE)


Metrics = LanguageMetrics | ClassifierMetrics


@dataclass(frozen=True, slots=True)
class Behaviour(Record):
    """What the original does on inputs in distribution, longer and deeper; None with a reason where it cannot."""

    in_distribution: Metrics
    longer: Metrics | None
    deeper: Metrics | None
    scored: str  # which outputs count
    reason: str  # why a part is missing; empty where none is
