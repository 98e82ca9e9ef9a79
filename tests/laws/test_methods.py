"""Laws of every interpretation method in the registry, over one model of each kind; costly methods see fewer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from auditor.contracts import methods
from auditor.testing.method_laws import (
    CARD_LAWS,
    LAWS,
    applicable_families,
    is_seen,
    one_sequence_is_enough_or_scores_are_undefined,
)


def _words(law: Callable[..., None]) -> str:
    return law.__name__


def _cases() -> Iterator[Any]:
    """Every method with the families it applies to; slow unless the quick plan runs the method."""
    for name, method in methods().items():
        for family in applicable_families(name):
            marks = () if method.smallest_plan == "quick" else pytest.mark.slow
            yield pytest.param(name, family, marks=marks, id=f"{name}, {family}")


@pytest.mark.parametrize("law", CARD_LAWS, ids=_words)
@pytest.mark.parametrize("name", methods())
def test_a_method_has_a_complete_card(name: str, law: Callable[[str], None]) -> None:
    law(name)


@pytest.mark.parametrize("law", LAWS, ids=_words)
@pytest.mark.parametrize(("name", "family"), list(_cases()))
def test_a_method_keeps_the_law(name: str, family: str, law: Callable[[str, str], None]) -> None:
    if law is not one_sequence_is_enough_or_scores_are_undefined and not is_seen(name, family):
        pytest.skip("takes long: another kind of model must do")
    law(name, family)
