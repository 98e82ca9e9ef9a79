"""Similarity of the residual streams of two models by linear CKA."""

from __future__ import annotations

from auditor.measures.representations import StreamRepresentations


class StreamCka(StreamRepresentations):
    """The stream as embedded and after each layer, compared between two models by 1 − linear CKA over all tokens.

    Blind to rotations and to scale. What most of the variance is counts most, whether or not a later layer reads it.
    """

    version = 1
    summary = "the residual stream, compared between models by 1 − linear CKA (0 same up to rotation and scale)"
    source = "Kornblith et al. 2019, arXiv 1905.00414, equation 4"
    distance = "cka"
