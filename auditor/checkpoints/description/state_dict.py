"""The tensors of a foreign checkpoint, taken by name; a tensor that is not taken is refused."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from auditor.checkpoints.description.unsupported import unsupported
from auditor.errors import CheckpointError, ConfigurationError, FormatError


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
        """The tensor, as float32 or float64. ``because`` is the source of the expected shape, for messages.

        Raises:
            FormatError: no such tensor, or one of a type that cannot be a weight.
            ConfigurationError: another shape than described.
            CheckpointError: values that are not finite.
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
        _check_finite(name, tensor)
        del self._left[name]
        return tensor if tensor.dtype is torch.float64 else tensor.to(torch.float32)

    def ignore(self, name: str) -> None:
        """Drop this tensor, if it is there: a buffer that is no weight."""
        self._left.pop(name, None)

    def __contains__(self, name: object) -> bool:
        return name in self._left

    def finish(self) -> None:
        """Raise FormatError if a tensor is left, which is not of the format."""
        if self._left:
            name = min(self._left)
            more = f" and {len(self._left) - 1} more" if len(self._left) > 1 else ""
            why = unsupported(self._left)
            raise FormatError(
                f"unknown tensor {name!a}{more}" + (f"; {why}" if why else ""),
                expected="only the tensors of this format and description",
                action="name tensors that are not weights (a mask, a buffer) in names.ignore of --config; else check "
                "that the description belongs to this checkpoint, or name another --format",
            )

    def _find(self, name: str) -> Tensor:
        if name not in self._left:
            longer = next((other for other in sorted(self._left) if other.endswith(f".{name}")), None)
            prefix = "" if longer is None else longer.removesuffix(name)
            outside = next((other for other in sorted(self._left) if not other.startswith(prefix)), None)
            hint = "check that the description belongs to this checkpoint"
            if prefix and outside is not None:
                hint = (
                    f"{prefix!r} is not before {outside!r}: if that is not part of the model, name it in names.ignore"
                )
            raise FormatError(
                f"no tensor {name!r}" + ("" if longer is None else f", but {longer!r}"),
                expected="every tensor that the description calls for",
                action=hint,
            )
        return self._left[name]


def _check_finite(name: str, tensor: Tensor) -> None:
    finite = torch.isfinite(tensor)
    if not bool(finite.all()):
        raise CheckpointError(
            f"{int((~finite).sum())} of {finite.numel()} values in {name!r} are NaN or infinite",
            expected="finite weights",
            action="train the model again if its loss diverged; a mask or buffer belongs in names.ignore of --config",
        )
