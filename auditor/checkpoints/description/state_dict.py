"""The tensors of a foreign checkpoint, taken by name; whatever nobody took is refused."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from auditor.errors import ConfigurationError, FormatError


class StateDict:
    """Named tensors of which each must be taken or ignored by name, exactly once."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self._left = dict(tensors)

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor that is still there.

        Raises:
            FormatError: no such tensor.
        """
        return tuple(self._find(name).shape)

    def axes(self, name: str, count: int) -> tuple[int, ...]:
        """The shape of a tensor that must have so many axes.

        Raises:
            FormatError: no such tensor, or one with more or fewer axes.
        """
        shape = self.shape(name)
        if len(shape) != count:
            raise FormatError(f"tensor {name!r} of shape {list(shape)}", expected=f"{count} axes")
        return shape

    def take(self, name: str, *shape: int, because: str) -> Tensor:
        """The tensor, as float32 or float64. ``because`` says where the expected shape comes from.

        Raises:
            FormatError: no such tensor, or one of a type that cannot be a weight.
            ConfigurationError: another shape than described.
        """
        tensor = self._find(name)
        if tuple(tensor.shape) != shape:
            raise ConfigurationError(
                f"tensor {name!r} of shape {list(tensor.shape)}",
                expected=f"{list(shape)} by {because}",
                action="give the description that belongs to this checkpoint with --config",
            )
        if not tensor.dtype.is_floating_point:
            raise FormatError(f"tensor {name!r} of type {tensor.dtype}", expected="floating-point weights")
        del self._left[name]
        return tensor if tensor.dtype is torch.float64 else tensor.to(torch.float32)

    def ignore(self, name: str) -> None:
        """Drop this tensor, if it is there: a buffer that is no weight."""
        self._left.pop(name, None)

    def __contains__(self, name: object) -> bool:
        return name in self._left

    def finish(self) -> None:
        """Raise FormatError if a tensor is left that the format does not know."""
        if self._left:
            name = min(self._left)
            more = f" and {len(self._left) - 1} more" if len(self._left) > 1 else ""
            raise FormatError(
                f"unknown tensor {name!a}{more}",
                expected="only the tensors of this format and description",
                action="check that the description belongs to this checkpoint, or name another --format",
            )

    def _find(self, name: str) -> Tensor:
        if name not in self._left:
            raise FormatError(
                f"no tensor {name!r}",
                expected="every tensor that the description calls for",
                action="check that the description belongs to this checkpoint",
            )
        return self._left[name]
