"""The error tree.

Every error a user can cause is one of these. Each message says what was found, what was expected and what to do next.

    AuditorError                 anything dyck-audit refuses to do
    ├── CheckpointError          a model file that cannot be used
    │   ├── UnsafeFileError      the file is hostile, damaged or over a size limit; nothing in it was executed
    │   ├── FormatError          no adapter, or more than one, reads this file
    │   └── ConfigurationError   the description of a model is missing, wrong or contradicts its weights
    ├── LanguageError            a string, vocabulary or sampling request that is not Dyck
    ├── ClaimsError              a file of claims that cannot be understood
    ├── PlanError                an audit plan, method or equivalence that does not exist or cannot run
    ├── PluginError              a plug-in of an installed package that cannot be used
    ├── StoreError               the database cannot be used as it is
    │   ├── NotFoundError        an id that matches nothing
    │   ├── AmbiguousError       an id that matches more than one thing
    │   ├── FilterError          a condition, an order or a page of a list that there is not
    │   └── RevisionError        the database is at another revision than this version expects
    ├── BrokerError              the message broker cannot be reached or started
    ├── WorkerStateError         a worker that does not live, takes no work, or cannot be named
    ├── WitnessError             an exported witness that does not re-establish its claim
    ├── RecordError              a JSON document that does not hold what it should
    └── ReportError              a report that cannot be written as it is
"""

from __future__ import annotations


class AuditorError(Exception):
    """Something the user can act on: what was found, what was expected, what to do next."""

    def __init__(self, found: str, *, expected: str = "", action: str = "") -> None:
        self.found = found
        self.expected = expected
        self.action = action
        super().__init__(self._one_line())

    def _one_line(self) -> str:
        parts = [self.found.rstrip(".")]
        if self.expected:
            parts.append(f"expected {self.expected.rstrip('.')}")
        if self.action:
            parts.append(self.action.rstrip("."))
        return "; ".join(" ".join(part.split()) for part in parts)

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.found, self.expected, self.action)


def _rebuild(kind: type[AuditorError], found: str, expected: str, action: str) -> AuditorError:
    return kind(found, expected=expected, action=action)


class CheckpointError(AuditorError):
    """A model file that cannot be used."""


class UnsafeFileError(CheckpointError):
    """The file is hostile, damaged or over a size limit; nothing in it was executed."""


class FormatError(CheckpointError):
    """No adapter, or more than one, reads this file."""


class ConfigurationError(CheckpointError):
    """The description of a model is missing, wrong or contradicts its weights."""


class LanguageError(AuditorError):
    """A string, vocabulary or sampling request that is not Dyck."""


class PlanError(AuditorError):
    """An audit plan, method or equivalence that does not exist or cannot run."""


class PluginError(AuditorError):
    """A plug-in of an installed package that cannot be used; the message names the package."""


class PluginWarning(UserWarning):
    """A plug-in of an installed package is left out, with the words of its PluginError."""


class ClaimsError(AuditorError):
    """A file of claims that cannot be understood; the message names file and line."""


class StoreError(AuditorError):
    """The database cannot be used as it is."""


class NotFoundError(StoreError):
    """An id that matches nothing."""


class AmbiguousError(StoreError):
    """An id that matches more than one thing."""


class FilterError(StoreError):
    """A condition, an order or a page of a list that there is not."""


class RevisionError(StoreError):
    """The database is at another revision than this version expects."""


class BrokerError(AuditorError):
    """The message broker cannot be reached or started."""


class WorkerStateError(AuditorError):
    """A worker that does not live, takes no work, or cannot be named."""


class WitnessError(AuditorError):
    """An exported witness that does not re-establish its claim."""


class RecordError(AuditorError):
    """A JSON document that does not hold what it should; the message names the path."""


class ReportError(AuditorError):
    """A report that cannot be written as it is."""
