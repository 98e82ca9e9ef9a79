"""How costly a method is, in tensor operations: the same number at every run, unlike seconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode

from auditor.contracts import Request, methods
from auditor.seeds import numpy_generator
from auditor.testing.models import inputs_for, random_model

COSTLY = 7_000
"""Operations on the plain model beyond which the laws look at fewer models. One forward pass takes about 100."""

SEQUENCES = 8


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts every operation that is dispatched."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count: int = 0

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        self.count += 1
        return func(*args, **(kwargs or {}))


@cache
def is_costly(name: str) -> bool:
    """Whether one interpretation of the plain model takes more than ``COSTLY`` operations."""
    method, model = methods()[name], random_model()
    if method.not_applicable(model) is not None:
        return False
    inputs = inputs_for(model, SEQUENCES)
    with _Counter() as counter:
        method.interpret(Request(model, inputs, numpy_generator(0, "cost")))
    return bool(counter.count > COSTLY)
