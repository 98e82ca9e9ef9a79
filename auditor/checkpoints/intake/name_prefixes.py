"""Names of tensors without what enclosing modules put in front of them.

``DataParallel`` and averaged models add ``module.``, Lightning the attribute that holds the model, ``torch.compile``
``_orig_mod.``, FSDP and activation checkpointing a part of their own in the middle. A prefix that all names share is
taken off, as far as the names of the format begin.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import takewhile

from torch import Tensor

from auditor.errors import ConfigurationError, FormatError
from auditor.records import Json

_WRAPPERS = ("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")
"""Parts of names that stand for no module of the model, wherever they stand."""

_WRAPPER = re.compile(rf"(?:^|(?<=\.))(?:{'|'.join(_WRAPPERS)})\.")
_COUNTERS = ("n_averaged",)
"""Of torch's AveragedModel: how many models the average is of."""


@dataclass(frozen=True)
class Bare:
    """Tensors under names without wrappers, and what was taken off."""

    tensors: Mapping[str, Tensor]
    removed: tuple[str, ...] = ()


def without_wrappers(tensors: Mapping[str, Tensor]) -> Bare:
    """The tensors under names without the parts of wrappers, without counters.

    Raises:
        FormatError: two names become one.
    """
    removed = [name for name in _COUNTERS if name in tensors and len(tensors) > 1]
    kept: dict[str, Tensor] = {}
    found: set[str] = set()
    for name, tensor in tensors.items():
        if name in removed:
            continue
        found.update(_WRAPPER.findall(name))
        bare = _WRAPPER.sub("", name)
        if bare in kept:
            raise FormatError(f"{name!a} and another tensor are both {bare!a}", expected="one tensor of each name")
        kept[bare] = tensor
    return Bare(kept, (*sorted(found), *removed))


def common_prefix(names: Iterable[str]) -> str:
    """The longest beginning that ends in a dot and that all names share."""
    known = sorted(names)
    first, last = (known[0], known[-1]) if known else ("", "")  # what these two share, all share
    shared = "".join(takewhile(bool, (a * (a == b) for a, b in zip(first, last, strict=False))))
    return shared[: shared.rfind(".") + 1]


def cut(names: Iterable[str], landmark: str) -> str:
    """The part of the common prefix that stands in front of a format's own names.

    ``landmark`` is a pattern for a name that every checkpoint of the format has; without a match nothing is cut.
    """
    known = list(names)
    if not landmark:
        return ""
    pattern = re.compile(rf"(?:^|(?<=\.))(?:{landmark})$")
    starts = [found.start() for name in known if (found := pattern.search(name))]
    return common_prefix(known)[: min(starts, default=0)]


def strip(tensors: Mapping[str, Tensor], prefix: str) -> Mapping[str, Tensor]:
    """The tensors with the prefix taken off each name."""
    return {name[len(prefix) :]: tensor for name, tensor in tensors.items()} if prefix else tensors


def strip_described(configuration: Mapping[str, Json] | None, prefix: str) -> Mapping[str, Json] | None:
    """A description whose section ``names`` is written without wrappers and prefix as well."""
    names = None if configuration is None else configuration.get("names")
    if configuration is None or not isinstance(names, Mapping):
        return configuration
    return {**configuration, "names": {key: _without(value, prefix) for key, value in names.items()}}


def _without(value: Json, prefix: str) -> Json:
    if isinstance(value, list):
        return [_without(inner, prefix) for inner in value]
    if not isinstance(value, str):
        return value
    bare = _WRAPPER.sub("", value)
    return "" if f"{bare}." == prefix else bare.removeprefix(prefix)


def without_ignored(tensors: Mapping[str, Tensor], configuration: Mapping[str, Json] | None) -> Mapping[str, Tensor]:
    """The tensors that ``names.ignore`` of a description does not name.

    Raises:
        ConfigurationError: it is not a list of texts.
    """
    names = (configuration or {}).get("names")
    found = names.get("ignore", []) if isinstance(names, Mapping) else []
    listed = [found] if isinstance(found, str) else found
    if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
        raise ConfigurationError(f"names.ignore = {ascii(found)[:60]}", expected="a list of names of tensors")
    ignored = frozenset(listed)
    return {name: tensor for name, tensor in tensors.items() if name not in ignored}
