"""Integrated gradients of the token vectors, from a blank token's vector."""

from __future__ import annotations

from auditor.measures.attribution.by_path import ByPath
from auditor.measures.attribution.method import TokenAttribution
from auditor.measures.attribution.path_integrals import Way


class TokenIntegratedGradients(TokenAttribution, ByPath):
    """Σ over features of (x − x₀) ∫ ∂score/∂x along the straight path, x₀ the vectors of the input without brackets.

    The baseline is made of tokens, so whatever moves between the token table and the position table moves in both ends.
    """

    version = 2
    smallest_plan = "standard"
    summary = (
        "integrated gradients of the score along the token vectors, from MASK (or PAD) in the place of every bracket"
    )
    higher_means = "reading this bracket instead of MASK raises the score"
    source = "Sundararajan et al. 2017, arXiv 1703.01365, equation 1; Captum IntegratedGradients at equal points"
    way = Way.TOKENS
