"""A plan from a file: what is wrong in it is named, before anything is made of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from auditor.canonical.architecture import Architecture, Block
from auditor.contracts import equivalences
from auditor.errors import PlanError
from auditor.plans.cells import planned_variants
from auditor.plans.plan import PLANS, read_plan


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("sequnces = 3", "unknown field 'sequnces'"),
        ("sequences = 0", "from 1 to"),
        ("sequences = 99999999999", "from 1 to 10,000,000"),
        ("sequences = true", "sequences = True"),
        ("exact_variants = 10000000", "from 0 to 1,000"),
        ('breadth = "huge"', "quick or standard or full"),
        ("alpha = nan", "alpha = nan"),
        ('multiplicity = "bonferroni"', "multiplicity = 'bonferroni'"),
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


def test_moves_that_change_the_list_of_components_are_made_only_when_asked_for(tmp_path: Path) -> None:
    architecture = Architecture(8, 8, (Block(2, 4, 4, 8),))
    widening = {name for name, move in equivalences().items() if move.widens}
    file = tmp_path / "named.toml"
    file.write_text(f'equivalences = ["{min(widening)}"]\n', encoding="utf-8")

    def planned(plan: str) -> set[str]:
        return {request.equivalence for request in planned_variants(read_plan(plan), architecture)}

    assert widening
    assert not widening & (planned("quick") | planned("standard"))
    assert planned("quick") <= planned("standard") <= planned("full")
    assert planned("full") == set(equivalences())
    assert planned(str(file)) == {min(widening)}
