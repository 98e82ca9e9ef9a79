"""``python -m tests.benchmarks``: every benchmark, one line each, on one core."""

from __future__ import annotations

import torch

from tests.benchmarks import evaluation, sampling, variants


def main() -> None:
    """Print every line as soon as it is measured."""
    torch.set_num_threads(1)
    for benchmark in (sampling, evaluation, variants):
        for line in benchmark.lines():
            line.write()


if __name__ == "__main__":
    main()
