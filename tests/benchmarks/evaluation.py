"""Tokens scored per second, against a loop over sentences and positions."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from auditor.behaviour.evaluation import CLOSING_THRESHOLD, evaluate
from auditor.behaviour.input_batch import InputBatch, draw_inputs
from auditor.canonical.model import CanonicalTransformer
from auditor.checkpoints.intake.detection import load
from auditor.seeds import numpy_generator
from tests.benchmarks.timing import Line, seconds
from tests.wen2023_files import checkpoint

NAME = "example_baseline_seed0"


def lines() -> Iterator[Line]:
    """Closing accuracy of a two-layer model of Wen et al. 2023, in distribution and at 400–500 tokens."""
    model = load(checkpoint(NAME)).model
    for name, count, lengths, goal in (
        ("training lengths", 4_000, None, 200_000),
        ("400–500 tokens", 64, (400, 500), 50_000),
    ):
        inputs = draw_inputs(model.task, count, numpy_generator(0, "benchmark"), lengths=lengths)
        few = inputs.rows(slice(0, max(8, count // 40)))
        fast = int(inputs.not_padding.sum()) / seconds(lambda given=inputs: evaluate(model, given))
        slow = int(few.not_padding.sum()) / seconds(lambda given=few: naive_closing_accuracy(model, given))
        yield Line(f"closing accuracy, {name}", fast, slow, "tokens/s", goal=goal)


@torch.no_grad()
def naive_closing_accuracy(model: CanonicalTransformer, inputs: InputBatch) -> float:
    """The same metric with one forward pass per sentence, explicit attention and a stack in Python."""
    right = total = 0
    for row, length in enumerate(inputs.not_padding.sum(1).tolist()):
        tokens = inputs.tokens[row : row + 1, :length]
        probabilities = model(tokens)[0].softmax(-1)
        stack: list[int] = []
        for position, token in enumerate(tokens[0].tolist()):
            if token in (4, 5):
                stack.append(token - 4)
            elif token in (6, 7):
                stack.pop()
            if stack:
                closing = probabilities[position, 6:8]
                right += int(closing[stack[-1]] / closing.sum() > CLOSING_THRESHOLD)
                total += 1
    return right / total
