"""Finds plug-ins: files of a folder of this package, and entry points of installed packages. There is no list to keep.

In the folder one file holds one class and is named after it. An installed package names a module of the same kind, or
its class, in its own pyproject.toml:

    [project.entry-points."dyck_audit.interpretations"]
    my_method = "my_package.my_method"

A plug-in of another package that cannot be used is left out with one warning; all others work.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version
from types import ModuleType
from typing import Generic, Protocol, TypeVar

from auditor.errors import PluginError, PluginWarning

DISTRIBUTION = "dyck-audit"


@dataclass(frozen=True, slots=True)
class Origin:
    """The installed package that a plug-in comes from."""

    package: str
    version: str

    @property
    def is_own(self) -> bool:
        """Whether it is this package itself."""
        return self.package == DISTRIBUTION

    def __str__(self) -> str:
        return f"{self.package} {self.version}"


@cache
def own_origin() -> Origin:
    """This package, as installed."""
    try:
        return Origin(DISTRIBUTION, version(DISTRIBUTION))
    except PackageNotFoundError:
        return Origin(DISTRIBUTION, "unknown")


class Named(Protocol):
    """Anything the registry can name."""

    name: str
    origin: Origin


P = TypeVar("P", bound=Named)


@dataclass(frozen=True)
class Discovered(Generic[P]):
    """What was found: plug-ins by name, in alphabetical order, and why others are left out."""

    plugins: Mapping[str, P]
    refused: tuple[PluginError, ...] = field(default=())


@cache
def discover(package: str, base: type[P], group: str) -> Discovered[P]:
    """One instance per plug-in file of a package of this distribution and per entry point of a group.

    Raises:
        TypeError: a file of this distribution that does not define exactly one concrete subclass of ``base``.
    """
    own = {name: _instance(module, name, base, own_origin()) for name, module in _files(package)}
    found, refused = dict(own), []
    points = sorted(entry_points(group=group), key=lambda point: (point.name, str(_origin(point))))
    claimed = Counter(point.name for point in points)
    for point in points:
        try:
            if point.name in own:
                raise _refusal(point, f"its name is that of a plug-in of {DISTRIBUTION}", "rename the entry point")
            if claimed[point.name] > 1:
                raise _refusal(point, "another installed package gives a plug-in this name", "uninstall one of them")
            found[point.name] = _loaded(point, base)
        except PluginError as error:
            refused.append(error)
            warnings.warn(str(error), PluginWarning, stacklevel=2)
    return Discovered(dict(sorted(found.items())), tuple(refused))


def _files(package: str) -> Iterator[tuple[str, ModuleType]]:
    folder = importlib.import_module(package)
    for entry in pkgutil.iter_modules(folder.__path__):
        yield entry.name, importlib.import_module(f"{package}.{entry.name}")


def _loaded(point: EntryPoint, base: type[P]) -> P:
    try:
        return _instance(point.load(), point.name, base, _origin(point))
    except Exception as error:
        raise _refusal(point, f"{type(error).__name__}: {error}", "mend or uninstall the package") from error


def _instance(target: object, name: str, base: type[P], origin: Origin) -> P:
    """The plug-in that a module holds, or of a class."""
    classes: list[type[P]] = [one for one in _classes(target) if issubclass(one, base) and not inspect.isabstract(one)]
    if len(classes) != 1:
        where = getattr(target, "__name__", repr(target))
        raise TypeError(f"{where} defines {len(classes)} plug-ins of {base.__name__}; one file holds one")
    plugin = classes[0]()
    missing = [fact for fact in inspect.get_annotations(base) if not hasattr(plugin, fact)]
    if missing:
        raise TypeError(f"{classes[0].__name__} does not say its {', '.join(missing)}")
    plugin.name, plugin.origin = name, origin
    return plugin


def _classes(target: object) -> list[type]:
    """A class itself; of a module those that it defines."""
    if inspect.isclass(target):
        return [target]
    own = getattr(target, "__name__", None)
    return [value for value in vars(target).values() if inspect.isclass(value) and value.__module__ == own]


def _origin(point: EntryPoint) -> Origin:
    return Origin("unknown", "unknown") if point.dist is None else Origin(point.dist.name, point.dist.version)


def _refusal(point: EntryPoint, why: str, action: str) -> PluginError:
    return PluginError(f"plug-in {point.name} of {_origin(point)} is left out: {why}", action=action)
