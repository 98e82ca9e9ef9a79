"""A request that is not answered, and why."""

from __future__ import annotations

from collections.abc import Mapping


class Refusal(Exception):  # noqa: N818 - it is the answer, not a defect
    """Status, and in words: what was found, what was expected, what to do."""

    def __init__(
        self, status: int, found: str, *, expected: str = "", do: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(found)
        self.status = status
        self.found = found
        self.expected = expected
        self.do = do
        self.headers = dict(headers or {})
