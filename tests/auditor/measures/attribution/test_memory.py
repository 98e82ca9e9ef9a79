"""The stated bound: at most a gigabyte for 1,000 sequences of 64 tokens, for every attribution."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

BOUND = 2**30

PROBE = """
import itertools, resource, sys
import torch
torch.set_num_threads(1)
from auditor.measures.attribution import method as settings, quadrature
from auditor.behaviour.input_batch import InputBatch, draw_inputs
from auditor.canonical.architecture import Architecture, Block
from auditor.contracts import Request, methods
from auditor.language.grammar import Dyck
from auditor.language.task import Task
from auditor.seeds import numpy_generator
from tests.handmade import random_model

task = Task(Dyck.standard(2, 4), min_length=62, max_length=63, prefixes=False)
block = Block(heads=2, query_width=28, value_width=28, neurons=224)
model = random_model(Architecture(model_width=56, vocabulary_size=8, blocks=(block,) * 3), task)
inputs = draw_inputs(task, 1000, numpy_generator(0, "memory"), lengths=(62, 63))
settings.MAX_SEQUENCES = len(inputs)
type(methods()["attribution_token_shapley_sampling"]).draws = 2  # one after another: they take time, not memory
quadrature.MOST_POINTS = 32  # likewise

whole = InputBatch.batches
InputBatch.batches = lambda self, **size: itertools.islice(whole(self, **size), 1)  # full ones: the rest is like them

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

before = peak()
for name, method in methods().items():
    if isinstance(method, settings.Attribution):
        method.interpret(Request(model, inputs, numpy_generator(0, name)))
        print(name, peak() - before, flush=True)
"""


@pytest.mark.slow
def test_a_thousand_sequences_of_64_tokens_take_less_than_a_gigabyte() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROBE],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    peaks = {name: int(size) for name, size in (line.split() for line in done.stdout.splitlines())}
    assert len(peaks) >= 13
    assert max(peaks.values()) < BOUND, peaks
