"""Models small enough to work out on paper, beside the random ones of the laws.

The docstring of every hand-made model states what each analysis must find.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from auditor.behaviour.input_batch import InputBatch, inputs_of
from auditor.canonical.architecture import Architecture, Block
from auditor.canonical.model import CanonicalTransformer
from auditor.language.grammar import Dyck
from auditor.language.sampling import Sample
from auditor.language.task import Task
from auditor.testing.models import LANGUAGE, PLAIN, TASK, inputs_for, random_model  # noqa: F401 - beside these

CONSTANT = math.log(3)
"""What head 0 of the counting model always writes."""

SLOPE = 2.0
"""What head 1 of the counting model writes per unit of attention on START."""


def counting_model() -> CanonicalTransformer:
    """One layer, two heads of width 1, uniform attention, no norm, no residual, no MLP.

    Only START carries a value. At input position j (START is 0) every head attends 1/(j + 1) to each position, so

        head 0: z = ln 3 always, written to the logit of ``a)``     head 1: z = 1/(j + 1), 2z to the logit of ``b)``

    and the logits are ln 3 for ``a)``, 2/(j + 1) for ``b)``, 0 for the other six tokens.

    * Zero ablation of head 0 takes ln 3 away: KL = p_a ln 3 − ln(Z/Z′), Z = 9 + e^(2/(j+1)), Z′ = 7 + e^(2/(j+1)).
    * Mean ablation of head 0 changes nothing: its z is its mean. That of head 1 writes the mean of 1/(j + 1) instead.
    * Stack-top mass is 1/(j + 1) for both heads. ‖W_V W_O‖ is 0 and 2.
    * No bracket reaches any z, so integrated gradients over brackets are 0.
    """
    block = Block(heads=2, query_width=1, value_width=1, neurons=0)
    architecture = Architecture(
        model_width=2, vocabulary_size=8, blocks=(block,), norm_sites=(), attention_residual=False, mlp="none"
    )
    model = CanonicalTransformer(architecture, TASK).double()
    vocabulary = TASK.language.vocabulary
    W_O, _ = model.attentions[0].output
    with torch.no_grad():
        model.W_E[vocabulary.start, 0] = 1.0
        model.attentions[0].b_V[0] = CONSTANT
        model.attentions[0].W_V[0, 1] = 1.0
        W_O[0, 0, 0] = 1.0
        W_O[1, 0, 1] = SLOPE
        _unembedding(model)[0, vocabulary.closing[0]] = 1.0
        _unembedding(model)[1, vocabulary.closing[1]] = 1.0
    return model


def stack_model(depth: int = 3) -> CanonicalTransformer:
    """Right at every length: the construction of Wen et al. 2023 (arXiv 2312.01429), section 3.1.

    Inputs are (token, depth). Head 0 attends to all brackets at the depth of the stack top in equal parts:
    opening ones write +e_type, the closing ones that match them −e_type, so that matched pairs cancel and e_top
    is left, times 1/n for n brackets at that depth. A final LayerNorm removes the 1/n; the closing logits follow.
    Head 1 attends uniformly and writes nothing.

    * Closing accuracy is 1 at all lengths.
    * Stack-top mass of head 0 is 1/n, of head 1 1/(j + 1) at input position j.
    * Zero ablation of head 0 leaves the uniform distribution over 8 tokens: ln 8 nats against a certain answer. Head 1:
      0 under every ablation.
    * ‖W_V W_O‖ is √2 for head 0 (two orthogonal unit writes) and 0 for head 1.
    """
    width = 2 * depth + 2
    block = Block(heads=2, query_width=depth, value_width=2, neurons=0)
    architecture = Architecture(
        model_width=width,
        vocabulary_size=8,
        blocks=(block,),
        norm_sites=("final",),
        norm_epsilon=1e-12,
        attention_residual=False,
        attention_scale=1.0,
        mlp="none",
        embedding="token_and_depth",
        depth_slots=depth + 2,
    )
    task = Task(Dyck.standard(2, depth), objective="closing_bracket", max_length=20)
    model = CanonicalTransformer(architecture, task).double()
    vocabulary = task.language.vocabulary
    asks, answers, value = slice(0, depth), slice(depth, 2 * depth), slice(2 * depth, width)
    attention = model.attentions[0]
    W_O, _ = attention.output
    with torch.no_grad():
        for kind in range(2):
            for d in range(1, depth + 1):
                opening, closing = model.W_E[vocabulary.opening[kind], d], model.W_E[vocabulary.closing[kind], d]
                opening[answers][d - 1] = closing[answers][d - 1] = 1.0
                opening[asks][d - 1] = 1.0
                if d > 1:
                    closing[asks][d - 2] = 1.0  # after a bracket of depth d closed, the stack is d − 1 high
                opening[value][kind], closing[value][kind] = 1.0, -1.0
        attention.W_Q[asks, 0] = 60.0 * torch.eye(depth, dtype=torch.float64)  # e^−60 leaks to other depths
        attention.W_K[answers, 0] = torch.eye(depth, dtype=torch.float64)
        attention.W_V[value, 0] = torch.eye(2, dtype=torch.float64)
        W_O[0, :, :2] = torch.eye(2, dtype=torch.float64)
        for kind in range(2):
            _unembedding(model)[kind, vocabulary.closing[kind]] = 10.0
    return model


def _unembedding(model: CanonicalTransformer) -> torch.Tensor:
    assert model.W_U is not None
    return model.W_U


def naive_stacks(tokens: list[int]) -> list[list[tuple[int, int]]]:
    """The stack of (type, position) after each token of the standard two-type vocabulary, by push and pop."""
    stack: list[tuple[int, int]] = []
    found = []
    for position, token in enumerate(tokens):
        if token in (4, 5):
            stack.append((token - 4, position))
        elif token in (6, 7):
            stack.pop()
        found.append(list(stack))
    return found


def sentence(text: str) -> list[int]:
    """Token ids of START and a string such as ``([])``: round brackets are type a, square ones type b."""
    return [2, *("([)]".index(c) + 4 for c in text)]


def inputs_from(task: Task, texts: list[str]) -> InputBatch:
    """Inputs that are these strings; the label after each is END."""
    rows = [[*sentence(text), 3] for text in texts]
    longest = max(map(len, rows))
    tokens = np.asarray([[*row, *[0] * (longest - len(row))] for row in rows], dtype=np.int64)
    return inputs_of(task, Sample(tokens, np.asarray([len(row) for row in rows])))
