"""Bracket types renamed at the input and renamed back at the output: a symmetry of the task, not of the weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from auditor.canonical.architecture import Architecture
from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Equivalence, Transformed, TransformRequest
from auditor.language.grammar import Dyck
from auditor.records import Json, Kind


class BracketRelabelling(Equivalence):
    """With π a permutation of the bracket types, the twin is x ↦ π⁻¹(model(π(x))): rows of the input table and columns
    of the unembedding move together.

    The types of Dyck(k, D) have no order, so a model of the language itself would be its own twin; the certificate says
    how far this one is from that. A tied unembedding moves with the table, and depth-indexed tables move whole.
    """

    version = 1
    kind = Kind.INPUT
    smallest_plan = "standard"
    summary = "bracket types exchanged at the input and back at the output"
    needs = "at least two bracket types"
    promise = "decisions stay within the margins of its certificate, if the model treats the types alike"
    source = "a symmetry of Dyck(k, D): Hewitt et al. 2020, arXiv 2010.07515, section 2, gives the types no order"

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """One type has no other order."""
        return "the language has one bracket type" if model.task.language.types < 2 else None

    def choices(self, architecture: Architecture, count: int) -> Sequence[Mapping[str, Json]]:
        """One: two types have one exchange."""
        del architecture
        return ({},)[:count]

    @torch.no_grad()
    def transform(self, request: TransformRequest) -> Transformed:
        """The twin under a random permutation that is not the identity."""
        model, generator = request.model, request.generator
        types = _permutation(model.task.language.types, generator)
        tokens = _token_permutation(model.task.language, types)
        twin = model.clone()
        twin.W_E.copy_(model.W_E[tokens])
        if not model.architecture.is_classifier:
            twin.b_U.copy_(model.b_U[tokens])
            if twin.W_U is not None and model.W_U is not None:
                twin.W_U.copy_(model.W_U[:, tokens])
        return Transformed(twin, parameters={"types": types})


def _permutation(types: int, generator: np.random.Generator) -> list[int]:
    """What each type becomes: a uniform draw among the orders of two or more types that are not the identity."""
    while True:
        order: list[int] = generator.permutation(types).tolist()
        if order != sorted(order):
            return order


def _token_permutation(language: Dyck, types: Sequence[int]) -> torch.Tensor:
    vocabulary = language.vocabulary
    tokens = list(range(len(vocabulary)))
    for brackets in (vocabulary.opening, vocabulary.closing):
        for kind, other in enumerate(types):
            tokens[brackets[kind]] = brackets[other]
    return torch.tensor(tokens)
