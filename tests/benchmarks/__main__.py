"""``python -m tests.benchmarks``: every benchmark, one line each, on one core."""

from __future__ import annotations

import torch

from tests.benchmarks import ablation, evaluation, lists, measuring, pages, resampling, sampling, variants


def main() -> None:
    """Print every line as soon as it is measured."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    for benchmark in (sampling, evaluation, variants, ablation, resampling, measuring, lists, pages):
        for line in benchmark.lines():
            line.write()


if __name__ == "__main__":
    main()
