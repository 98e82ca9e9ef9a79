"""Small trained models shipped with the package: ``NAME.safetensors`` in the native format, and ``NAME.card.json``.

The card says how the model was made and how well it does. Reading names, paths and cards needs no torch;
``auditor.zoo.recipes`` makes the models again.
"""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

from auditor.errors import NotFoundError

DEMONSTRATION = "dyck2x4-2layer-2head"
"""The model that demonstrations audit."""

_WEIGHTS = ".safetensors"
_CARD = ".card.json"


def names() -> tuple[str, ...]:
    """The bundled models, in alphabetical order."""
    return tuple(sorted(file.name.removesuffix(_WEIGHTS) for file in _folder().glob(f"*{_WEIGHTS}")))


def path(name: str) -> Path:
    """The native file of a bundled model.

    Raises:
        NotFoundError: no bundled model has this name.
    """
    if name not in names():
        raise NotFoundError(
            f"no bundled model {name[:80]!r}",
            expected=" or ".join(names()),
            action="list them with: dyck-audit models zoo",
        )
    return _folder() / f"{name}{_WEIGHTS}"


def card(name: str) -> dict[str, Any]:
    """How a bundled model was made (architecture, task, seed, schedule, curve) and how well it does, as measured.

    Raises:
        NotFoundError: no bundled model has this name.
    """
    found: dict[str, Any] = json.loads(path(name).with_name(f"{name}{_CARD}").read_text(encoding="utf-8"))
    return found


def _folder() -> Path:
    return Path(str(files(__name__)))
