"""Finds plug-ins by walking a folder: one file, one class, named after the file. There is no list to keep."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from functools import cache
from types import ModuleType
from typing import Protocol, TypeVar


class Named(Protocol):
    """Anything the registry can name."""

    name: str


P = TypeVar("P", bound=Named)


@cache
def discover(package: str, base: type[P]) -> dict[str, P]:
    """One instance per plug-in file of a package, by file name, in alphabetical order.

    Raises:
        TypeError: a file that does not define exactly one concrete subclass of ``base``.
    """
    folder = importlib.import_module(package)
    found: dict[str, P] = {}
    for entry in sorted(pkgutil.iter_modules(folder.__path__), key=lambda e: e.name):
        module = importlib.import_module(f"{package}.{entry.name}")
        found[entry.name] = _instance(module, entry.name, base)
    return found


def _instance(module: ModuleType, name: str, base: type[P]) -> P:
    classes = [
        value
        for value in vars(module).values()
        if inspect.isclass(value)
        and issubclass(value, base)
        and not inspect.isabstract(value)
        and value.__module__ == module.__name__
    ]
    if len(classes) != 1:
        raise TypeError(f"{module.__name__} defines {len(classes)} plug-ins of {base.__name__}; one file holds one")
    plugin = classes[0]()
    plugin.name = name
    return plugin
