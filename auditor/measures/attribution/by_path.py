"""Attributions that are path integrals: what was integrated once is read by every method of its path."""

from __future__ import annotations

from typing import ClassVar

from auditor.contracts import Request
from auditor.measures.attribution.convergence import imprecise, imprecise_pattern, not_converged, path_errors
from auditor.measures.attribution.method import Attributed, Attribution
from auditor.measures.attribution.path_integrals import PathIntegrals, Way, path_integrals


class ByPath(Attribution):
    """An attribution that reads path integrals. What has not converged has no score; the reason gives its error.

    Where scores are only compared with those of a model of the same function, a few equal points decide.
    """

    needs_blank = True
    way: ClassVar[Way]

    def own(self, found: PathIntegrals) -> PathIntegrals:
        """What of the integrals is this method's."""
        return found

    def attributions(self, request: Request) -> Attributed:
        """Integrals, their error as a share of the size of their parts, and what has no score for it."""
        refine = not request.only_compared
        whole = request.shared.once(
            (self.way, refine), lambda: path_integrals(self.way, request.model, request.inputs, refine=refine)
        )
        found = self.own(whole)
        if not refine:
            return Attributed(found.values)
        single = imprecise_pattern(found) if self.by_position else imprecise(found, floor=self.smallest_size)
        return Attributed(found.values, float(path_errors(found).max()), {**single, **not_converged(found)})
