"""Integrals along paths that a twin is trained against: from few points, since they only have to point the way."""

from __future__ import annotations

POINTS = ((0.2113248654051871, 0.5), (0.7886751345948129, 0.5))
"""Gauss–Legendre quadrature on [0, 1] with two points, (place, weight): exact for polynomials up to degree 3."""
