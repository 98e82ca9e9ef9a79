"""The number that every attribution explains, as a function of tokens, of token vectors or of sites.

Language models: the mean log-probability of the right closing bracket over the scored positions with an open one, so
that of rewritten inputs only the decisions count that both sides have. Classifiers:
the log-odds of the class that the model predicts on the untouched input. Both in nats, one number per sequence.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from auditor.behaviour.effects import mean_where
from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Hook
from auditor.language.vocabulary import Vocabulary
from auditor.tensors import Logits, Residual, Tokens


@dataclass(frozen=True)
class Explained:
    """A batch of inputs and the score of each.

    Captum repeats a batch, once per step or perturbation. Every function here therefore takes ``row`` [rows], for
    each row the number of its sequence in the batch: the padding mask and the answer are always those of the
    untouched input, whatever a baseline puts in the place of its tokens.
    """

    model: CanonicalTransformer
    tokens: Tokens
    not_padding: Tensor  # [batch, position]
    where: Tensor  # [batch, position]: outputs scored in a language model
    answer: Tensor  # right closing bracket [batch, position]; classifiers: predicted class [batch]

    @property
    def row(self) -> Tensor:
        """Each sequence once."""
        return torch.arange(len(self.tokens))

    def of_tokens(self, tokens: Tokens, row: Tensor, hook: Hook | None = None) -> Tensor:
        """Scores [rows] with these tokens in the place of the inputs'."""
        return self.of_residual(self.model.embed(tokens), row, 0, hook)

    def of_rows(self, row: Tensor) -> Tensor:
        """Scores [rows] of the inputs as they are."""
        return self.of_tokens(self.tokens[row], row)

    def of_vectors(self, vectors: Residual, row: Tensor, hook: Hook | None = None) -> Tensor:
        """Scores [rows] with these token vectors, to which positions are added."""
        return self.of_residual(self.model.input_vectors(vectors), row, 0, hook)

    @property
    def vectors(self) -> Residual:
        """Token vectors of the inputs, without positions and without gradient."""
        return self.model.token_vectors(self.tokens).detach()

    @property
    def blank_tokens(self) -> Tokens:
        """The inputs with MASK, else PAD, in the place of every bracket. START and padding stay."""
        vocabulary = self.model.task.language.vocabulary
        brackets = torch.tensor([*vocabulary.opening, *vocabulary.closing])
        blank = torch.tensor(blank_token(vocabulary))
        return torch.where(torch.isin(self.tokens, brackets) & self.not_padding, blank, self.tokens)

    @property
    def blank_vectors(self) -> Residual:
        """Token vectors of the blank inputs. A table of (token, depth) is read at the depth of the blank input."""
        return self.model.token_vectors(self.blank_tokens).detach()

    def of_residual(self, x: Residual, row: Tensor, layer: int, hook: Hook | None = None) -> Tensor:
        """Scores [rows] with this residual stream entering ``layer``."""
        logits = self.model.run_from(x, self.tokens[row], layer, hook)
        if self.model.architecture.is_classifier:
            return log_odds(logits, self.answer[row])
        log_p = logits.log_softmax(-1).gather(2, self.answer[row][:, :, None]).squeeze(2)
        return mean_where(log_p, self.where[row])


def explained(model: CanonicalTransformer, part: InputBatch) -> Explained:
    """The batch with its scores."""
    model.check_tokens(part.tokens)
    where = part.scored & (part.depth > 0)
    if model.architecture.is_classifier:
        with torch.no_grad():
            answer = model(part.tokens).argmax(-1)
    else:
        answer = torch.tensor(model.task.language.vocabulary.closing)[part.stack_top_type.clamp_min(0)]
    return Explained(model, part.tokens, part.not_padding, where, answer)


def has_score(model: CanonicalTransformer, inputs: InputBatch) -> Tensor:
    """Which sequences have a score, [sequence]: a language model needs a position with an open bracket."""
    if model.architecture.is_classifier:
        return torch.ones(len(inputs), dtype=torch.bool)
    return (inputs.scored & (inputs.depth > 0)).any(1)


def why_no_score(model: CanonicalTransformer) -> str | None:
    """Why there is nothing to explain, or None."""
    if model.architecture.classes is not None and model.architecture.classes < 2:
        return "a classifier with one class has no odds"
    return None


def blank_token(vocabulary: Vocabulary) -> int | None:
    """What takes the place of a bracket in a baseline: MASK, else PAD; None in a vocabulary with neither."""
    return vocabulary.pad if vocabulary.mask is None else vocabulary.mask


def log_odds(logits: Logits, chosen: Tensor) -> Tensor:
    """ln p(chosen) / (1 − p(chosen)) = logit − logsumexp of the others; [rows, class] and [rows] → [rows]."""
    index = chosen[:, None]
    others = logits.scatter(1, index, -torch.inf).logsumexp(1)
    return logits.gather(1, index).squeeze(1) - others
