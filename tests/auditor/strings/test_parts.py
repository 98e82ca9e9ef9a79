"""The parts of a file: they share no string, they are the same for every plan, and weights decide how often."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from auditor.behaviour.input_batch import InputBatch
from auditor.errors import LanguageError
from auditor.language.grammar import Dyck
from auditor.language.task import Task
from auditor.plans.cells import planned_variants
from auditor.plans.own_strings import needed, with_strings
from auditor.plans.plan import PLANS, Plan
from auditor.records import Kind
from auditor.stages.recipe import recipe_of
from auditor.stages.sequences import certificate_inputs, interpretation_inputs, search_inputs
from auditor.strings.parts import Part, facts_of, take
from auditor.strings.reading import strings_of
from tests.auditor.small_audits import PLAN, small_model

TASK = Task(Dyck.standard(2, 3))
TEXTS = ["".join(f"({one}{one})" for one in word) for n in range(1, 7) for word in product("ab", repeat=n)]
FILE = strings_of(TEXTS)


def _words(inputs: InputBatch) -> list[str]:
    lengths = inputs.not_padding.sum(1).tolist()
    rows = inputs.tokens.tolist()
    return [" ".join(TASK.language.vocabulary.decode(row[:n])) for row, n in zip(rows, lengths, strict=True)]


def _part(part: Part) -> list[str]:
    return _words(take(TASK, FILE, part, len(TEXTS), 0).inputs)


def test_the_parts_are_disjoint_and_cover_the_file() -> None:
    search, shown, held = (_part(part) for part in (Part.SEARCH, Part.INTERPRETATION, Part.CERTIFICATE))
    assert (len(search), len(shown), len(held)) == (15, 15, 96)
    assert len({*search, *shown, *held}) == len(TEXTS) == 126
    assert _part(Part.WHOLE) == [*search, *shown, *held]


def test_the_rule_is_the_one_that_is_stated() -> None:
    """In the order of the SHA-256 of the tokens joined by blanks, which other programs can compute."""
    assert _part(Part.WHOLE) == sorted(_part(Part.WHOLE), key=lambda text: hashlib.sha256(text.encode()).digest())


def test_neither_order_nor_plan_nor_seed_moves_a_string_to_another_part() -> None:
    shuffled = strings_of([TEXTS[row] for row in np.random.default_rng(0).permutation(len(TEXTS))])
    for part, seed in product(Part, (0, 1)):
        assert _words(take(TASK, shuffled, part, 40, seed).inputs) == _part(part)[:40]
    plan = replace(PLAN, strings=FILE, sequences=4)
    for size in (4, 9):
        assert (
            _words(search_inputs(TASK, Kind.BEHAVIOURAL, replace(plan, sequences=size), 3)) == _part(Part.SEARCH)[:size]
        )
        assert (
            _words(interpretation_inputs(TASK, replace(plan, sequences=size), 3)) == _part(Part.INTERPRETATION)[:size]
        )
    assert _words(certificate_inputs(TASK, plan, 50, 3)) == _part(Part.CERTIFICATE)[:50]


def test_repeated_strings_are_drawn_as_often_as_they_stand_in_the_file() -> None:
    count = 20_000
    file = strings_of(TEXTS + [TEXTS[0]] * 99)
    drawn = _words(take(TASK, file, Part.WHOLE, count, 0).inputs)
    share = 100 / (len(TEXTS) + 99)
    error = np.sqrt(share * (1 - share) / count)
    assert abs(drawn.count("START (a a)") / count - share) < 5 * error
    assert drawn == _words(take(TASK, file, Part.WHOLE, count, 0).inputs)
    assert drawn != _words(take(TASK, file, Part.WHOLE, count, 1).inputs)
    assert facts_of(TASK, file).weighted
    assert not facts_of(TASK, FILE).weighted


@pytest.mark.parametrize(
    "plan", [*PLANS.values(), *(replace(PLAN, sequences=1, certificate_sequences=n) for n in range(1, 20))]
)
def test_so_many_strings_are_needed_and_no_fewer(plan: Plan) -> None:
    """Brute force over sizes: from there on every part is full, and with one string less one is not."""

    def is_enough(count: int) -> bool:
        eighth = count // 8
        return eighth >= plan.sequences and count - 2 * eighth >= plan.certificate_sequences

    assert all(is_enough(needed(plan) + more) for more in range(20))
    assert not all(is_enough(needed(plan) - 1 + more) for more in range(20))


def test_too_few_strings_are_refused_with_the_number_needed() -> None:
    plan = replace(PLAN, sequences=15, certificate_sequences=96)
    model = small_model()
    assert with_strings(plan, model, FILE, "s").strings == FILE
    with pytest.raises(LanguageError, match=r"s.csv: 126 distinct strings; expected at least 798 for the plan small"):
        with_strings(PLAN, model, FILE, "s.csv")


def test_twins_of_other_strings_are_other_twins() -> None:
    plan = replace(PLAN, equivalences=("behavioural_fp16",))
    request = planned_variants(plan, small_model().architecture)[0]
    recipes = [recipe_of(request, replace(plan, strings=one), 0) for one in (None, FILE, strings_of(TEXTS[:-1]))]
    assert len({str(recipe) for recipe in recipes}) == 3
    assert str(recipes[1]) == str(recipe_of(request, replace(plan, strings=strings_of(TEXTS)), 0))


def test_a_plan_is_written_with_what_its_strings_are_known_by() -> None:
    plan = replace(PLAN, strings=FILE)
    assert plan.to_json()["strings"] == {"sha256": FILE.sha256, "size": FILE.size, "format": "text"}
    assert Plan.from_json(plan.to_json()) == plan
    assert "strings" not in PLAN.to_json()
