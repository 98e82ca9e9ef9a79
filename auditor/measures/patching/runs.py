"""The untouched passes over clean and corrupt inputs, shared by every patching method."""

from __future__ import annotations

from dataclasses import dataclass

from auditor.contracts import Request
from auditor.measures.patching.pairs import corrupted_pairs
from auditor.measures.untouched import Untouched


@dataclass(frozen=True)
class SharedPairs:
    """Both sides, row for row; ``clean.inputs.scored`` are the positions read on both."""

    clean: Untouched
    corrupt: Untouched


def shared_pairs(request: Request, *, most: int | None = None) -> SharedPairs:
    """The pairs of a request, made from the first ``most`` of its inputs."""

    def make() -> SharedPairs:
        pairs = corrupted_pairs(request.inputs if most is None else request.inputs.rows(slice(0, most)))
        return SharedPairs(Untouched(request.model, pairs.clean), Untouched(request.model, pairs.corrupt))

    return request.shared.once(("pairs", most), make)
