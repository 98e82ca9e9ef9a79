"""What training scripts pickle beside their weights, read as objects that hold nothing.

A checkpoint of a training run names argument lists, paths, random states and configurations. None of them is imported
or called: each name on this list is read as an empty object of ours, so its content is dropped. A name that is neither
here nor of a tensor refuses the file.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable

_NAMES = frozenset(
    (
        "argparse.Namespace", "types.SimpleNamespace", "typing.Any", "collections.defaultdict", "collections.deque",
        "datetime.date", "datetime.datetime", "datetime.timedelta", "datetime.timezone", "uuid.UUID",
        "builtins.bool", "builtins.dict", "builtins.float", "builtins.frozenset", "builtins.int", "builtins.list",
        "builtins.str", "builtins.tuple", "numpy.ndarray", "numpy.dtype",
        *(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("_reconstruct", "scalar")),
        *(f"pathlib{place}.{pure}{kind}Path" for place in ("", "._local") for pure in ("", "Pure")
          for kind in ("", "Posix", "Windows")),
    )
)  # fmt: skip

_PACKAGES = frozenset(
    (
        "__main__", "accelerate", "addict", "config", "configs", "easydict", "lightning", "lightning_fabric",
        "lightning_utilities", "mingpt", "ml_collections", "model", "models", "munch", "omegaconf", "pytorch_lightning",
        "src", "train", "transformer_lens", "transformers", "utils", "yacs",
    )
)  # fmt: skip
"""Of training loops and configurations, and usual names of the script that saved the file and of its modules."""

_PREFIXES = ("torch.optim.", "numpy.dtypes.")
READ_BY_TORCH = frozenset(("_codecs.encode", "builtins.set", "collections.Counter", "torch.Size", "torch.device"))
"""Plain values that torch's own weights-only reader makes, besides tensors."""


class Inert:
    """Stands for an object whose content is dropped."""

    __slots__ = ()

    def __new__(cls, *_arguments: object) -> Inert:
        """The same empty object whatever it was made from."""
        return super().__new__(cls)

    def __init__(self, *_arguments: object) -> None:
        pass

    def __setstate__(self, _state: object) -> None:
        """Drop the state."""


class _InertMap:
    """Stands for a kind of dict: its entries are read into a plain one."""

    def __new__(cls, *_arguments: object) -> OrderedDict[object, object]:  # type: ignore[misc]
        return OrderedDict()


class _InertList:
    """Stands for a kind of list."""

    def __new__(cls, *_arguments: object) -> list[object]:  # type: ignore[misc]
        return []


def is_inert(name: str) -> bool:
    """Whether this dotted name of a pickle stands for an object without content."""
    package = name.partition(".")[0]
    return name in _NAMES or package in _PACKAGES or name.startswith(_PREFIXES)


def stand_ins(names: Iterable[str]) -> list[Callable[..., object] | tuple[Callable[..., object], str]]:
    """(our class, the name in the pickle) of each inert name, as ``torch.serialization.safe_globals`` takes them."""
    return [(_stand_in(name), name) for name in names if is_inert(name)]


def _stand_in(name: str) -> type:
    last = name.rpartition(".")[2].lower()
    if last.endswith("dict"):
        return _InertMap
    return _InertList if last == "deque" else Inert
