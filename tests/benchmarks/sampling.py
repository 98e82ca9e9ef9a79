"""Tokens drawn per second, against a loop that draws one token at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from auditor.language.grammar import Dyck
from auditor.language.sampling import sample
from auditor.seeds import numpy_generator
from tests.benchmarks.timing import Line, seconds

LANGUAGE = Dyck.standard(2, 4)
COUNT, NAIVE_COUNT = 20_000, 500
GOAL = 1_000_000


def lines() -> Iterator[Line]:
    """Complete strings and prefixes at the training lengths of Wen et al. 2023, and long prefixes."""
    for name, low, high, prefixes in (
        ("complete strings of 2–28", 2, 28, False),
        ("prefixes of 28", 28, 28, True),
        ("prefixes of 400–500", 400, 500, True),
    ):
        count = COUNT if high < 100 else COUNT // 10

        def ours(low: int = low, high: int = high, prefixes: bool = prefixes, count: int = count) -> int:
            generator = numpy_generator(0, "benchmark")
            drawn = sample(
                LANGUAGE, count=count, generator=generator, min_length=low, max_length=high, prefixes=prefixes
            )
            return int(drawn.lengths.sum())

        def naive(low: int = low, high: int = high, prefixes: bool = prefixes) -> int:
            generator = numpy_generator(0, "benchmark")
            few = NAIVE_COUNT if high < 100 else NAIVE_COUNT // 20
            return sum(len(_one(generator, low=low, high=high, prefixes=prefixes)) for _ in range(few))

        fast, slow = ours() / seconds(ours), naive() / seconds(naive)
        yield Line(f"sampling, {name}", fast, slow, "tokens/s", goal=GOAL)


def _one(generator: np.random.Generator, *, low: int, high: int, prefixes: bool) -> list[int]:
    """One string, token by token, drawn again when it gets too long."""
    while True:
        tokens, stack = [2], list[int]()
        wanted = int(generator.integers(low, high + 1)) if prefixes else high
        while len(tokens) - 1 < wanted + (not prefixes):
            opens = generator.random() < 0.5
            if not stack and not opens and not prefixes and len(tokens) - 1 >= low:
                return [*tokens, 3]
            if (opens or not stack) and len(stack) < LANGUAGE.depth:
                stack.append(int(generator.integers(2)))
                tokens.append(4 + stack[-1])
            else:
                tokens.append(6 + stack.pop())
        if prefixes:
            return tokens
