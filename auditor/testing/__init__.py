"""The laws of plug-ins, for the tests of this package and of any that adds a method, an equivalence or a format.

    from auditor.testing import check_method

    def test_laws() -> None:
        check_method("my_method")

The plug-in must be installed, so that the registry knows it by its name. Each check raises AssertionError at the first
law that does not hold. Checking an exact equivalence needs the package hypothesis.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from auditor.contracts import Weights, equivalences, methods
from auditor.records import Kind

__all__ = ["check_adapter", "check_equivalence", "check_method"]


def check_method(name: str) -> None:
    """All laws of an interpretation method: its card, its scores on one model of each kind, and theory.

    Raises:
        AssertionError: a law does not hold, or what it does under an exact equivalence is not what theory derives.
    """
    from auditor.testing.expected_behaviour import observed_is_expected
    from auditor.testing.method_laws import CARD_LAWS, LAWS, applicable_families, is_seen

    for card_law in CARD_LAWS:
        card_law(name)
    for family in applicable_families(name):
        for law in LAWS if is_seen(name, family) else ():
            law(name, family)
    for equivalence, plugin in equivalences().items():
        if plugin.kind is Kind.EXACT:
            observed_is_expected(name, equivalence)


def check_equivalence(name: str, judged_by: Iterable[str] | None = None) -> None:
    """All laws of an equivalence: its card and, of an exact one, its promises and what methods do under it.

    ``judged_by`` names these methods; None: those of the quick plan.

    Raises:
        AssertionError: a law does not hold, or what a method does under it is not what theory derives.
    """
    from auditor.testing.equivalence_laws import LAWS, a_card_is_complete
    from auditor.testing.expected_behaviour import observed_is_expected

    a_card_is_complete(name)
    if equivalences()[name].kind is not Kind.EXACT:
        return
    for law in LAWS:
        law(name)
    quick = (method for method, plugin in methods().items() if plugin.smallest_plan == "quick")
    for method in quick if judged_by is None else judged_by:
        observed_is_expected(method, name)


def check_adapter(name: str, examples: Sequence[Weights], ignored: Sequence[str] = ()) -> None:
    """All laws of a checkpoint format, over examples of it.

    ``ignored`` are endings of keys whose loss loses nothing, such as buffers.

    Raises:
        AssertionError: a law does not hold.
    """
    from auditor.testing.adapter_laws import LAWS, Examples

    for law in LAWS:
        law(Examples(name, tuple(examples), tuple(ignored)))
