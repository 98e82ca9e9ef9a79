"""Facts from the description beside a checkpoint, asked for by dotted name and checked when asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from auditor.errors import ConfigurationError
from auditor.files.documents import LARGEST, Table, shown
from auditor.records import Json

_ACTION = "write it into the file given by --config"
_TEMPLATE = (
    "write what is missing into the file given by --config; `inspect CHECKPOINT --template` writes one to fill in"
)


class MissingFactError(ConfigurationError):
    """A fact that a description does not state. ``stand_in`` is any value of its kind."""

    name: str = ""
    stand_in: Json = None
    belongs_to_config: bool = False  # whether it is a fact of --config, and not of a library's own file


def missing_facts(names: Iterable[str], *, has_template: bool) -> ConfigurationError:
    """The refusal that names all facts that a description lacks."""
    listed = list(names)
    return ConfigurationError(
        f"no {', '.join(repr(name) for name in listed)} in the description",
        expected="this fact" if len(listed) == 1 else "these facts",
        action=_TEMPLATE if has_template else _ACTION,
    )


class Description(Table):
    """A description whose facts are read by dotted name, for example ``lm.num_layers``.

    ``action`` is the action of the errors: where to write a missing fact.

    Raises:
        ConfigurationError: from every reader, for a fact that is missing or of the wrong type, by name.
    """

    def __init__(self, facts: Mapping[str, Json], *, action: str = _ACTION) -> None:
        super().__init__(facts, ConfigurationError, action=action)

    def missing(self, name: str, stand_in: Json) -> MissingFactError:
        """The error about a fact that is not stated."""
        error = MissingFactError(f"no {name!r} in the description", expected="this fact", action=self._action)
        error.name, error.stand_in = name, stand_in
        error.belongs_to_config = self._action == _ACTION
        return error

    def has(self, name: str) -> bool:
        """Whether the fact is stated."""
        section, _, key = name.rpartition(".")
        return key in self.section(section)

    def section(self, name: str) -> Mapping[str, Json]:
        """A group of facts; empty when it is not there."""
        found = self._entries
        for part in filter(None, name.split(".")):
            inner = found.get(part, {})
            if not isinstance(inner, Mapping):
                raise ConfigurationError(
                    f"{name} is not a group of facts", expected="names and values", action=self._action
                )
            found = inner
        return found

    def fact(self, name: str, *, stand_in: Json = None) -> Json:
        """The value as it is written. ``stand_in`` is any value of its kind."""
        section, _, key = name.rpartition(".")
        facts = self.section(section)
        if key not in facts:
            raise self.missing(name, stand_in)
        return facts[key]

    entry = fact

    def positive(self, name: str) -> float:
        """A number above 0. Text such as ``1e-5``, which YAML 1.1 does not read as a number, counts as one."""
        found = self.fact(name, stand_in=1.0)
        try:
            number = float(found) if isinstance(found, str | int | float) and type(found) is not bool else float("nan")
        except (ValueError, OverflowError):
            number = float("nan")
        if not 0.0 < number < LARGEST:
            raise self._wrong(name, "a positive number")
        return number

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts; one text is read as its characters."""
        found = self.fact(name)
        if isinstance(found, str):
            return tuple(found)
        if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
            raise self._wrong(name, "a list of texts, or one text of characters")
        return tuple(found)

    def only(self, section: str, known: Iterable[str]) -> None:
        """Raise ConfigurationError for a fact of this group that is not read; "" is the outermost group."""
        names = frozenset(known)
        for key in self.section(section):
            if key not in names:
                raise ConfigurationError(
                    f"unknown option {shown(f'{section}.{key}' if section else key)}",
                    expected=", ".join(sorted(names)) or "none",
                    action="remove it, if the model does not depend on it",
                )
