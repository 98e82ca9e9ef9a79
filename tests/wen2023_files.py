"""The trained checkpoints in ``tests/data/wen2023`` and the numbers of the code that trained them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "data" / "wen2023"
NAMES = tuple(sorted(path.stem for path in FOLDER.glob("*.params")))


def checkpoint(name: str) -> Path:
    """The state dict; its YAML lies beside it."""
    return FOLDER / f"{name}.params"


@cache
def reference() -> dict[str, Any]:
    """Logits, attention and accuracies of the original code."""
    found: dict[str, Any] = json.loads((FOLDER / "reference.json").read_text(encoding="utf-8"))
    return found
