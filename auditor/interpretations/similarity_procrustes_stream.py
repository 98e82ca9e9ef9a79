"""Similarity of the residual streams of two models after the best rotation."""

from __future__ import annotations

from auditor.measures.representations import StreamRepresentations


class StreamProcrustes(StreamRepresentations):
    """The stream as embedded and after each layer, compared between two models by its distance after a rotation.

    Half the squared distance at length 1, from 0 to 1. Stricter than CKA on directions of little variance.
    """

    version = 1
    summary = "the residual stream, compared between models after the best rotation (0 same up to rotation and scale)"
    source = "Schönemann 1966, Psychometrika 31; Ding et al. 2021, arXiv 2108.01661, section 3"
    distance = "procrustes"
