"""Captum sums in float32 by name, whatever the model's type; inside this mode it sums in float64."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.overrides import TorchFunctionMode


class DoubleSums(TorchFunctionMode):
    """``with DoubleSums():`` float32 that is asked for by name becomes float64, in this thread only.

    ShapleyValueSampling adds up in ``torch.zeros(dtype=torch.float)`` and Occlusion divides ``.float()`` (Captum 0.9):
    seven digits, where eight are needed to check an exact symmetry. Float32 models gain nothing and lose
    nothing.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """The same call with float64 for float32."""
        given = dict(kwargs or {})
        if func is torch.Tensor.float:
            return args[0].double()
        if func is torch.zeros and given.get("dtype") is torch.float32:
            given["dtype"] = torch.float64
        return func(*args, **given)
