"""Models of other libraries, small and random, with their descriptions: one file for each adapter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path

from auditor.contracts import adapters
from tests.foreign.source import Source

MAKERS: Mapping[str, Callable[[int], Source]] = {
    name: getattr(import_module(f"{__name__}.{name}"), name)
    for name in adapters()
    if Path(__file__).with_name(f"{name}.py").exists()
}
"""By the adapter that reads them; each makes the model of a seed."""
