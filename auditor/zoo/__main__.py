"""``python -m auditor.zoo NAME… --out FOLDER``: makes bundled models again from their recipes."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

import torch

from auditor.errors import AuditorError
from auditor.zoo.recipes import RECIPES, write


def main() -> None:
    """Train each named model with one thread, which its bits depend on, and write it."""
    parser = argparse.ArgumentParser(
        prog="python -m auditor.zoo", description="Make bundled models from their recipes."
    )
    parser.add_argument("names", nargs="+", choices=list(RECIPES), metavar="NAME", help=", ".join(RECIPES))
    parser.add_argument("--out", type=Path, required=True, help="the folder to write to")
    given = parser.parse_args()
    torch.set_num_threads(1)
    try:
        for name in given.names:
            write(name, given.out, progress=partial(_say, name))
    except AuditorError as refused:
        sys.exit(str(refused))


def _say(name: str, _share: float, words: str) -> None:
    sys.stderr.write(f"{name}: {words}\n")


if __name__ == "__main__":
    main()
