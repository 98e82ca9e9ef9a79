"""The strings on which functions are evaluated."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from auditor.fingerprint.probes import LONG_LENGTH, MAX_DEPTH, Interface, probe_strings
from auditor.language.grammar import Dyck, states
from auditor.language.vocabulary import Vocabulary
from tests.handmade import LANGUAGE, PLAIN

INTERFACE = Interface.of(PLAIN, LANGUAGE.vocabulary)


def test_every_token_occurs_at_every_early_position_and_pad_never_first() -> None:
    uniform, _, long = probe_strings(INTERFACE)
    assert set(uniform.flatten().tolist()) == set(range(8))
    assert long.shape[1] == LONG_LENGTH
    for strings in (uniform, long):
        assert not (strings[:, 0] == LANGUAGE.vocabulary.pad).any()


def test_the_second_batch_are_prefixes_of_the_language() -> None:
    _, words, _ = probe_strings(INTERFACE)
    assert (words[:, 0] == LANGUAGE.vocabulary.start).all()
    found = states(Dyck(LANGUAGE.vocabulary, MAX_DEPTH), words)
    assert found.legal.all()
    assert found.depth.max() == MAX_DEPTH


def test_a_vocabulary_without_special_tokens_has_probes_too() -> None:
    bare = Vocabulary(("(", ")"), (0,), (1,))
    interface = Interface.of(replace(PLAIN, vocabulary_size=2), bare)
    uniform, words, _ = probe_strings(interface)
    assert set(uniform.flatten().tolist()) == {0, 1}
    assert states(Dyck(bare, MAX_DEPTH), words).legal.all()


@pytest.mark.parametrize(("limit", "lengths"), [(10, {10}), (60, {24, 60}), (None, {24, LONG_LENGTH})])
def test_probes_fit_the_position_table(limit: int | None, lengths: set[int]) -> None:
    assert {strings.shape[1] for strings in probe_strings(replace(INTERFACE, max_positions=limit))} == lengths


@pytest.mark.parametrize("read_out", [0, 40, -40])
def test_probes_reach_the_read_out(read_out: int) -> None:
    for strings in probe_strings(replace(INTERFACE, read_out=read_out, outputs=2)):
        assert -strings.shape[1] <= read_out < strings.shape[1]


def test_the_probes_of_version_1_never_change() -> None:
    """Other strings give other fingerprints: they need another version."""
    data = b"".join(np.ascontiguousarray(strings, dtype="<i8").tobytes() for strings in probe_strings(INTERFACE))
    assert hashlib.sha256(data).hexdigest()[:16] == "6cfad3d73d10ab66"
