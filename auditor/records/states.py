"""Enumerations: kinds, expectations, verdicts, states."""

from __future__ import annotations

from enum import IntEnum, StrEnum


class Kind(StrEnum):
    """How a variant is equal to the original: by algebra, on a distribution, or on rewritten inputs."""

    EXACT = "exact"
    BEHAVIOURAL = "behavioural"
    INPUT = "input"


class Compared(StrEnum):
    """Which outputs an exact variant promises to keep."""

    LOGITS = "logits"
    LOG_PROBABILITIES = "log_probabilities"  # all logits of an output may move together


class Expected(StrEnum):
    """What theory predicts for a method under an exact symmetry."""

    INVARIANT = "invariant"  # every score stays
    RELABELLED = "relabelled"  # scores stay after the components are relabelled
    FREE = "free"  # scores can be made anything
    CHANGES = "changes"  # scores move, not arbitrarily
    DILUTED = "diluted"  # scores are shared among the copies of a component
    OPEN = "open"  # theory predicts nothing


class Verdict(StrEnum):
    """The verdict of an audit on one claim under one equivalence."""

    STABLE = "stable"
    UNSTABLE = "unstable"
    INCONCLUSIVE = "inconclusive"


class Basis(StrEnum):
    """What a finding rests on, and so what it is about."""

    THEORY = "theory"  # an exact change whose answer theory determines: it checks the method's code, not the model
    EXACT = "exact"  # an exact change where theory leaves the answer open
    BEHAVIOURAL = "behavioural"  # another model with the same behaviour
    INPUT = "input"  # other inputs that call for the same decisions


class Multiplicity(StrEnum):
    """How the false discovery rate over the claims of an audit is held."""

    BENJAMINI_HOCHBERG = "bh"  # claims that are independent or move together (1995)
    BENJAMINI_YEKUTIELI = "by"  # claims that depend on each other in any way (2001)


class VariantState(StrEnum):
    """Whether a variant may carry a verdict."""

    CERTIFIED = "certified"
    NOT_CERTIFIED = "not_certified"
    NOT_APPLICABLE = "not_applicable"


class Stage(StrEnum):
    """What a cell does."""

    BEHAVIOUR = "behaviour"  # evaluate the original on its language
    BUILD = "build"  # make and certify one variant
    MEASURE = "measure"  # the original or one variant with a group of methods
    CONCLUDE = "conclude"  # all interpretations -> findings and report


class CellState(StrEnum):
    """Life of a cell. WAITING for another cell, READY to run, RUNNING under a lease; DONE, FAILED, or BLOCKED: what it
    needs has failed or is blocked itself."""

    WAITING = "waiting"
    READY = "ready"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    BLOCKED = "blocked"


class AuditState(StrEnum):
    """Life of an audit: queued → running → done, incomplete, failed or cancelled.

    Incomplete: finished with failures. Cells have failed, all others are done, and there is a report that says what is
    missing. Failed: there is no report.
    """

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    INCOMPLETE = "incomplete"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Priority(IntEnum):
    """Whose cells are computed first, the smallest number first."""

    INTERACTIVE = 0  # a person waits for it
    BATCH = 1
