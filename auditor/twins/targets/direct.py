"""Direct logits and the logit lens: linear readings of an untouched pass."""

from __future__ import annotations

import torch
from torch import Tensor

from auditor.behaviour.closing import closing_contrast, log_p_right_closing
from auditor.behaviour.effects import mean_where
from auditor.canonical.model import CanonicalTransformer
from auditor.measures.attention import with_open_bracket
from auditor.measures.direct_logits import DirectLogits
from auditor.measures.direct_paths import direct_paths
from auditor.measures.streams import lens_logits, stream_components, streams_and_writes
from auditor.measures.untouched import Piece
from auditor.twins.targets.surrogate import Components, Scores, by_layer


def direct_logits(method: DirectLogits) -> Scores:
    """What components write along the logit of the right closing bracket, mean over a sequence."""

    def scores(model: CanonicalTransformer, piece: Piece, components: Components) -> Tensor:
        contrast = closing_contrast(model)[piece.part.stack_top_type.clamp_min(0)]
        paths, where = direct_paths(model, piece.cache, contrast), with_open_bracket(piece.part)
        known = method.components(model)
        found: dict[str, Tensor] = {}
        for layer in by_layer(components):
            own = [one.label for one in known if one.layer == layer]
            found.update(zip(own, method.writes(model, paths, layer).unbind(2), strict=True))
        columns = [mean_where(found[one.label], where) for one in components]
        return torch.stack(columns, dim=1)[where.any(1)]

    return scores


def logit_lens(model: CanonicalTransformer, piece: Piece, components: Components) -> Tensor:
    """log p of the right closing bracket as read from the stream after each layer."""
    streams, where = streams_and_writes(model, piece), with_open_bracket(piece.part)
    last = stream_components(model)[-1]
    columns = []
    for component in components:
        read = model.unembed if component == last else lambda stream: lens_logits(model, stream)
        columns.append(mean_where(log_p_right_closing(read(streams[component]), piece.part), where))
    return torch.stack(columns, dim=1)[where.any(1)]
