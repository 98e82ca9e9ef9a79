"""The bundled models: small, as their cards say, and as their recipes make them."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import asdict

import pytest

from auditor import zoo
from auditor.behaviour.evaluation import evaluate
from auditor.behaviour.input_batch import draw_inputs
from auditor.canonical.architecture import Architecture
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.serialisation import model_from_bytes
from auditor.checkpoints.native_file import native_bytes
from auditor.errors import NotFoundError
from auditor.language.task import Task
from auditor.seeds import numpy_generator
from auditor.training.fit import new_model, train
from auditor.training.objectives import objective_of
from auditor.zoo.recipes import RECIPES, Construction, Recipe, make

DEMONSTRATION = zoo.DEMONSTRATION
SMALLEST = "dyck2x4-1layer-minimal"
LARGEST = 1_000_000
"""Bytes of a bundled file."""

REMEASURED = 300
SAMPLING = 0.01
"""Closing accuracy on 300 other strings against the card's 5,000 (or 500 longer ones): above three standard errors."""

EARLY_LOSS = 1e-3
"""Relative: seventy steps in float32 on another processor or library version drift by rounding only."""


def _loaded(name: str) -> CanonicalTransformer:
    card = zoo.card(name)
    return model_from_bytes(
        zoo.path(name).read_bytes(), Architecture.from_json(card["architecture"]), Task.from_json(card["task"])
    )


def test_each_bundled_model_has_a_recipe_and_the_demonstration_is_one_of_them() -> None:
    assert zoo.names() == tuple(sorted(RECIPES))
    assert zoo.DEMONSTRATION in zoo.names()


@pytest.mark.parametrize("name", zoo.names())
def test_the_card_says_what_the_recipe_and_the_file_say(name: str) -> None:
    card, recipe, data = zoo.card(name), RECIPES[name], zoo.path(name).read_bytes()
    assert Architecture.from_json(card["architecture"]) == recipe.architecture
    assert Task.from_json(card["task"]) == recipe.task
    if isinstance(recipe, Construction):
        assert card["construction"] == {"positions": recipe.positions}
    else:
        made = {"contrast": 0.0} | {key: value for key, value in card["training"].items() if key != "curve"}
        assert made == {"seed": recipe.seed, **asdict(recipe.schedule)}
    assert card["sha256"] == hashlib.sha256(data).hexdigest()
    assert card["bytes"] == len(data)
    assert card["parameters"] == sum(parameter.numel() for parameter in _loaded(name).parameters())
    assert native_bytes(_loaded(name)) == data


@pytest.mark.parametrize("name", zoo.names())
def test_every_bundled_file_is_small(name: str) -> None:
    for file in zoo.path(name).parent.glob(f"{name}.*"):
        assert file.stat().st_size < LARGEST, file


@pytest.mark.parametrize("name", zoo.names())
def test_fresh_strings_give_the_accuracy_on_the_card(name: str) -> None:
    model, card = _loaded(name), zoo.card(name)["behaviour"]
    if model.architecture.is_classifier:
        strings = next(objective_of(model.task).batches(1, REMEASURED, numpy_generator(1, "test")))
        assert card["in_distribution"]["accuracy"] >= 0.99
        assert strings.accuracy(model) == pytest.approx(card["in_distribution"]["accuracy"], abs=SAMPLING)
        return
    assert card["in_distribution"]["closing_accuracy"] >= 0.999
    assert card["in_distribution"]["sequences"] == 5_000
    fresh = evaluate(model, draw_inputs(model.task, REMEASURED, numpy_generator(1, "test")))
    assert fresh.closing_accuracy == pytest.approx(card["in_distribution"]["closing_accuracy"], abs=SAMPLING)
    if "undefined" in card["longer"]:
        assert model.architecture.max_positions <= 100
        return
    lengths = (card["longer"]["length"],) * 2
    longer = evaluate(model, draw_inputs(model.task, REMEASURED, numpy_generator(1, "test"), lengths=lengths))
    assert longer.closing_accuracy == pytest.approx(card["longer"]["closing_accuracy"], abs=SAMPLING)


def test_the_demonstration_model_is_accurate_on_longer_strings() -> None:
    assert zoo.card(DEMONSTRATION)["behaviour"]["longer"]["closing_accuracy"] >= 0.95


def test_the_first_steps_of_the_recipe_give_the_first_point_of_the_curve() -> None:
    recipe, first = RECIPES[DEMONSTRATION], zoo.card(DEMONSTRATION)["training"]["curve"][0]
    assert isinstance(recipe, Recipe)
    model = new_model(recipe.architecture, recipe.task, recipe.seed)
    point = next(train(model, recipe.schedule, recipe.seed))
    assert point.step == first["step"]
    assert point.loss == pytest.approx(first["loss"], rel=EARLY_LOSS)


@pytest.mark.slow
def test_the_recipe_makes_a_model_as_good_as_the_bundled_one() -> None:
    made, card = make(SMALLEST), zoo.card(SMALLEST)["behaviour"]
    for where in ("in_distribution", "longer"):
        again = made.card["behaviour"][where]["closing_accuracy"]
        assert again == pytest.approx(card[where]["closing_accuracy"], abs=2 * SAMPLING)


def test_a_model_written_down_is_made_again_bit_for_bit() -> None:
    name = "dyck2x4-2layer-constructed"
    assert make(name).card["sha256"] == zoo.card(name)["sha256"]


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    for ask in (zoo.path, zoo.card):
        with pytest.raises(NotFoundError, match=f"no bundled model 'x'; expected {zoo.names()[0]} or"):
            ask("x")
    with pytest.raises(NotFoundError, match="no recipe 'x'"):
        make("x")


def test_a_name_cannot_reach_outside_the_folder() -> None:
    with pytest.raises(NotFoundError):
        zoo.path(f"../zoo/{DEMONSTRATION}")


def test_names_and_cards_need_no_torch() -> None:
    code = "import sys; from auditor import zoo; [zoo.card(n) for n in zoo.names()]; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_demonstration_has_what_the_value_bias_shift_moves() -> None:
    """Several heads to reorder, biases to shift and an output map that takes the shift back."""
    model = _loaded(DEMONSTRATION)
    assert [block.heads for block in model.architecture.blocks] == [2, 2]
    for layer in model.layers:
        assert layer.attention.W_O is not None
        assert layer.attention.b_V.any()
