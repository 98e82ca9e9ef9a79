"""Membership and states against a push-and-pop stack, over every short string."""

from __future__ import annotations

import numpy as np
import pytest

from auditor.errors import LanguageError
from auditor.language.grammar import Dyck, is_member, legal_tokens, reference_distribution, states
from auditor.language.vocabulary import Vocabulary
from tests.auditor.language.brute_force import all_strings, generator_moves, is_balanced

LANGUAGES = [Dyck.standard(1, 2), Dyck.standard(2, 1), Dyck.standard(2, 2), Dyck.standard(2, 4)]


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda g: f"Dyck({g.types},{g.depth})")
def test_membership_is_that_of_a_stack_for_every_string_up_to_length_six(language: Dyck) -> None:
    members = 0
    for length in range(7):
        for body in all_strings(language, length):
            expected = is_balanced(language, body)
            members += expected
            assert is_member(language, list(body)) is expected
            if expected:
                assert is_member(language, [2, *body, 3])
    assert members > 1


def test_other_tokens_inside_a_string_are_no_member() -> None:
    language = Dyck.standard(2, 2)
    assert not is_member(language, [2, 4, 0, 6, 3])
    assert not is_member(language, [4, 2, 6])


def test_states_are_those_of_a_stack_for_every_string_of_length_five() -> None:
    language = Dyck.standard(2, 2)
    strings = list(all_strings(language, 5))
    found = states(language, np.asarray([[2, *body] for body in strings]))
    assert not found.legal.all()
    for row, body in enumerate(strings):
        stack: list[tuple[int, int]] = []
        for position, token in enumerate(body, start=1):
            match = -1
            if token in (4, 5):
                stack.append((token - 4, position))
            elif stack and stack[-1][0] == token - 6:
                match = stack.pop()[1]
            else:
                assert not found.legal[row, position:].any()
                break
            if len(stack) > language.depth:
                assert not found.legal[row, position:].any()
                break
            assert found.legal[row, position]
            assert found.depth[row, position] == len(stack)
            assert (found.top[row, position], found.opener[row, position]) == (stack[-1] if stack else (-1, -1))
            assert found.match[row, position] == match


def test_strings_beyond_the_bound_are_followed() -> None:
    found = states(Dyck.standard(2, 1), np.asarray([[2, 4, 5, 7]]))
    assert found.depth[0].tolist() == [0, 1, 2, 1]
    assert found.legal[0].tolist() == [True, True, False, False]


@pytest.mark.parametrize("q", [0.3, 0.5])
def test_the_reference_distribution_is_that_of_the_generator(q: float) -> None:
    language = Dyck.standard(2, 2)
    bodies = [(), (4,), (4, 5), (5, 4), (4, 6), (4, 5, 7)]
    for body in bodies:
        found = states(language, np.asarray([[2, *body]]))
        probabilities = reference_distribution(language, found, open_probability=q)[0, -1]
        stack = tuple(_stack(body))
        expected = np.zeros(8)
        for token, share in generator_moves(language, stack, len(body), q=q, least=0):
            expected[3 if token is None else token] += share
        np.testing.assert_allclose(probabilities, expected, rtol=0, atol=1e-15)
        assert legal_tokens(language, found)[0, -1].tolist() == (expected > 0).tolist()


def test_without_an_end_token_an_empty_stack_opens() -> None:
    bare = Vocabulary(spellings=("(", ")"), opening=(0,), closing=(1,))
    found = states(Dyck(bare, 2), np.asarray([[0, 1]]))
    np.testing.assert_array_equal(reference_distribution(Dyck(bare, 2), found)[0], [[0.5, 0.5], [1.0, 0.0]])


def test_a_depth_bound_of_zero_is_refused() -> None:
    with pytest.raises(LanguageError, match="depth bound 0"):
        Dyck.standard(2, 0)


def _stack(body: tuple[int, ...]) -> list[int]:
    stack: list[int] = []
    for token in body:
        if token in (4, 5):
            stack.append(token - 4)
        else:
            stack.pop()
    return stack


def test_a_depth_bound_that_would_exhaust_the_memory_is_refused() -> None:
    with pytest.raises(LanguageError, match="at most 1,000"):
        Dyck.standard(1, 10**9)
