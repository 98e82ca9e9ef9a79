"""Switches that contradict each other are refused, and a description comes back as it was."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from auditor.canonical.architecture import Architecture
from auditor.errors import ConfigurationError
from auditor.testing.architectures import LAW, architectures
from tests.handmade import PLAIN


@LAW
@given(architecture=architectures())
def test_every_architecture_comes_back_from_its_json(architecture: Architecture) -> None:
    assert Architecture.from_json(json.loads(json.dumps(architecture.to_json()))) == architecture


def test_what_is_not_in_use_is_not_written() -> None:
    assert not {"rotary_width", "rotary_base", "rotary_pairs", "mean_skips"} & set(PLAIN.to_json())


@pytest.mark.parametrize(
    ("switches", "words"),
    [
        ({"positions": "rotary"}, "positions 'rotary' with rotary_width None"),
        ({"rotary_width": 2}, "positions 'none' with rotary_width 2"),
        ({"positions": "rotary", "rotary_width": 3}, "rotary_width 3 for queries of width 3; expected an even number"),
        ({"positions": "rotary", "rotary_width": 4}, "rotary_width 4 for queries of width 3"),
        ({"positions": "rotary", "rotary_width": 0}, "rotary_width 0"),
        ({"positions": "rotary", "rotary_width": 2, "rotary_base": 1.0}, "rotary_base 1.0"),
        ({"positions": "rotary", "rotary_width": 2, "rotary_pairs": "thirds"}, "rotary_pairs = 'thirds'"),
        ({"read_out": "first", "classes": 2}, "read_out = 'first'; expected a position, mean or last"),
        ({"read_out": "mean"}, "half a classifier"),
        ({"read_out": "last", "classes": 2, "mean_skips": ("start",)}, "mean_skips without a mean"),
        ({"read_out": "mean", "classes": 2, "mean_skips": ("pad",)}, "mean_skips 'pad'"),
        ({"norm_sites": ("embeddings",)}, "norm site 'embeddings'"),
    ],
)
def test_contradicting_switches_are_refused(switches: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        replace(PLAIN, **switches)


@pytest.mark.parametrize(
    ("entry", "value"),
    [("read_out", "first"), ("read_out", 1.5), ("mean_skips", "start"), ("rotary_base", "10"), ("rotary_width", "2")],
)
def test_entries_of_the_wrong_kind_are_refused_by_name(entry: str, value: object) -> None:
    with pytest.raises(ConfigurationError, match=f"{entry} = "):
        Architecture.from_json({**PLAIN.to_json(), entry: value})  # type: ignore[dict-item]
