"""How long something takes, and how that is printed."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

REPEATS = 3


@dataclass(frozen=True)
class Line:
    """One result: ours beside the naive code, in one unit."""

    name: str
    ours: float
    naive: float
    unit: str
    more_is_better: bool = True
    goal: float | None = None

    def write(self) -> None:
        """One line on the standard output."""
        ratio = self.ours / self.naive if self.more_is_better else self.naive / self.ours
        is_met = self.goal is not None and (self.ours >= self.goal) is self.more_is_better
        goal = "" if self.goal is None else f"   goal {self.goal:,.0f}: {'met' if is_met else 'MISSED'}"
        ours, naive = (f"{value:14,.{0 if self.more_is_better else 2}f}" for value in (self.ours, self.naive))
        sys.stdout.write(f"{self.name:58}{ours} {self.unit:9}naive {naive}   {ratio:8.1f} ×{goal}\n")


def seconds(work: Callable[[], object], *, repeats: int = REPEATS) -> float:
    """Processor time of the shortest of a few runs, after one that warms up: other processes do not count."""
    work()
    times = []
    for _ in range(repeats):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return min(times)
