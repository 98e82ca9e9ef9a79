"""A plan from a file: what is wrong in it is named, before anything is made of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from auditor.errors import PlanError
from auditor.plans import PLANS, read_plan


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("sequnces = 3", "unknown field 'sequnces'"),
        ("sequences = 0", "from 1 to"),
        ("sequences = 99999999999", "from 1 to 10,000,000"),
        ("sequences = true", "sequences = True"),
        ("exact_variants = 10000000", "from 0 to 1,000"),
        ("alpha = nan", "alpha = nan"),
        ("bootstrap_draws = 5", "bootstrap draws"),
        ('base = "nope"', "base = 'nope'"),
        ('base = ["quick"]', r"base = \['quick'\]"),
        ('methods = ["weights_ov_norm", "weights_ov_norm"]', "'weights_ov_norm' twice"),
        ('equivalences = ["exact_head_permutation", "exact_head_permutation"]', "'exact_head_permutation' twice"),
        ('methods = ["nope"]', "unknown method 'nope'"),
        ("a = = b", "expected a TOML file"),
    ],
)
def test_what_is_wrong_is_named(text: str, named: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(PlanError, match=named):
        read_plan(str(file))


def test_a_file_changes_what_it_names_and_keeps_the_rest_of_its_base(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('base = "full"\nsequences = 7\n', encoding="utf-8")
    plan = read_plan(str(file))
    assert (plan.name, plan.sequences, plan.exact_variants) == ("mine", 7, PLANS["full"].exact_variants)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(PlanError, match="quick, standard, full"):
        read_plan("nope")
