"""Where a classifier is read: at one position of each string, or at all those that a mean covers."""

from __future__ import annotations

import torch
from torch import Tensor

from auditor.canonical.architecture import Architecture
from auditor.language.vocabulary import Vocabulary
from auditor.tensors import Tokens


def read_positions(architecture: Architecture, vocabulary: Vocabulary, tokens: Tokens) -> Tensor:
    """[batch, position] True where these strings are read. Without PAD in the vocabulary no token is padding."""
    read_out = architecture.read_out
    position = torch.arange(tokens.shape[1], device=tokens.device)
    if isinstance(read_out, int):
        return (position == read_out % tokens.shape[1]).expand(tokens.shape)
    not_padding = torch.ones_like(tokens, dtype=torch.bool) if vocabulary.pad is None else tokens != vocabulary.pad
    if read_out == "last":
        last = (not_padding * position).amax(1, keepdim=True)
        return position == last
    for marker in architecture.mean_skips:
        if (token := getattr(vocabulary, marker)) is not None:
            not_padding = not_padding & (tokens != token)
    return not_padding


def hides_padding(architecture: Architecture, vocabulary: Vocabulary) -> bool:
    """Whether padding behind a string leaves what a model says of it as it is."""
    has_pad = vocabulary.pad is not None
    is_unseen = architecture.causal or (architecture.pad_masked and has_pad)
    if isinstance(architecture.read_out, str):
        return is_unseen and has_pad
    return is_unseen and (architecture.read_out is None or architecture.read_out >= 0)
