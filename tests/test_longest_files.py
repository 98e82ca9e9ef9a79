"""The longest files run first: the list names files that exist, and the order of collection follows it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.longest_files import LONGEST_FIRST

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("file", LONGEST_FIRST)
def test_every_file_of_the_list_exists(file: str) -> None:
    assert (ROOT / file).is_file()


def test_tests_are_collected_in_the_order_of_the_list(request: pytest.FixtureRequest) -> None:
    """As far as they are collected in this run; every other file comes after them."""
    files = list(dict.fromkeys(item.path.relative_to(ROOT).as_posix() for item in request.session.items))
    listed = [file for file in LONGEST_FIRST if file in files]
    assert files[: len(listed)] == listed
