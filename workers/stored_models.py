"""Weights from the database as models in float64, and plans with their strings.

A process keeps the last few: many cells read the same ones.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Final

import torch

from auditor.canonical.architecture import Architecture
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.serialisation import model_from_bytes
from auditor.language.task import Task
from auditor.plans.plan import Plan
from auditor.records import Json, Variant
from auditor.records.values import group
from auditor.stages.measure import Share
from auditor.store import Database, StoredModel, StoredTwin, get_blob, load_weights

_KEPT: Final = 8

ARCHITECTURE: Final = "architecture"
"""The parameter of a variant that holds its architecture where it is not the original's."""


def original_model(database: Database, stored: StoredModel) -> CanonicalTransformer:
    """The audited model.

    Raises:
        StoreError: its weights are missing or were changed in the database.
    """
    return _model(database, stored.weights_sha256, _text(stored.architecture), _text(stored.task))


def variant_model(database: Database, stored: StoredModel, variant: Variant) -> CanonicalTransformer:
    """The model of a variant that has one.

    Raises:
        StoreError: its weights are missing or were changed in the database.
    """
    return _made_model(database, stored, variant.weights_sha256 or "", variant.parameters)


def twin_model(database: Database, stored: StoredModel, twin: StoredTwin) -> CanonicalTransformer:
    """The model of a kept twin.

    Raises:
        StoreError: its weights are missing or were changed in the database.
    """
    return _made_model(database, stored, twin.weights_sha256, twin.parameters)


def stored_plan(database: Database, document: Mapping[str, Json]) -> Plan:
    """The plan of an audit, with the strings that it names.

    Raises:
        StoreError: the strings are missing or were changed in the database.
    """
    plan = Plan.from_json(document)
    if plan.strings is None:
        return plan
    return replace(plan, strings=replace(plan.strings, data=_strings(database, plan.strings.sha256)))


@lru_cache(maxsize=2)
def _strings(database: Database, sha256: str) -> bytes:
    with database.transaction(read_only=True) as session:
        return get_blob(session, sha256)


def _made_model(
    database: Database, stored: StoredModel, sha256: str, parameters: Mapping[str, Json]
) -> CanonicalTransformer:
    architecture = group(parameters, ARCHITECTURE) if ARCHITECTURE in parameters else stored.architecture
    return _model(database, sha256, _text(architecture), _text(stored.task))


@lru_cache(maxsize=_KEPT)
def _model(database: Database, sha256: str, architecture: str, task: str) -> CanonicalTransformer:
    with database.transaction(read_only=True) as session:
        data = load_weights(session, sha256)
    model = model_from_bytes(data, Architecture.from_json(json.loads(architecture)), Task.from_json(json.loads(task)))
    return model.to(torch.float64)


def share_of(database: Database, stored: StoredModel, plan: Plan, seed: int) -> Share:
    """The scores of the original that exact variants are compared with; a process keeps those of its last audits."""
    return _share(database, stored.weights_sha256, _text(stored.architecture), _text(stored.task), plan, seed)


@lru_cache(maxsize=2)
def _share(database: Database, sha256: str, architecture: str, task: str, plan: Plan, seed: int) -> Share:
    return Share(_model(database, sha256, architecture, task), plan, seed)


def _text(document: Mapping[str, Json]) -> str:
    return json.dumps(document, sort_keys=True)
