"""Integrated gradients of the token vectors, from the zero vector."""

from __future__ import annotations

from typing import ClassVar

from auditor.measures.attribution.by_path import ByPath
from auditor.measures.attribution.method import TokenAttribution
from auditor.measures.attribution.path_integrals import Way
from auditor.measures.expectations import WHOLE_SCORES
from auditor.records import Expected
from auditor.records.theory import Aspect, Dependence


class TokenIntegratedGradientsZero(TokenAttribution, ByPath):
    """Σ over features of x ∫ ∂score/∂x along the straight path from 0 to the token vector x.

    Zero is a point of the basis, not of the function: a constant traded between the token and the position table moves
    x and leaves 0 where it is.
    """

    version = 2
    summary = "integrated gradients of the score along the token vectors, from the zero vector"
    higher_means = "the token's vector raises the score"
    source = "Sundararajan et al. 2017, arXiv 1703.01365, section 3; Captum IntegratedGradients' default baseline"
    depends_on: ClassVar[Dependence] = {**WHOLE_SCORES, Aspect.TOKEN_VECTORS: Expected.CHANGES}
    needs_blank = False
    way = Way.FROM_ZERO
