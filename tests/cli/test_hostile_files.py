"""Hostile and broken files through the command line: exit 1, one line, nothing executed, bounded time and memory."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from safetensors.torch import save_file

from auditor import zoo
from tests.auditor.checkpoints.intake.hostile_files import MAKERS, call, good
from tests.cli.conftest import Run

pytestmark = pytest.mark.slow

MOST_SECONDS = 10.0
MOST_GROWTH_BYTES = 200 * 2**20
MODEL = zoo.path("dyck2x4-2layer-2head")


def _forget_the_peak() -> int | None:
    """Resident bytes now, after which the system measures the peak anew; None where it cannot."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return None
    return int(psutil.Process().memory_info().rss)


def _peak() -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def _is_refused(run: Run, *arguments: object) -> str:
    before, start = _forget_the_peak(), time.monotonic()
    ended = run(*arguments)
    assert time.monotonic() - start < MOST_SECONDS
    assert before is None or _peak() - before < MOST_GROWTH_BYTES
    assert (ended.code, ended.stdout) == (1, "")
    assert ended.refusal.isprintable()
    assert len(ended.refusal) < 600
    assert "unexpected" not in ended.refusal
    return ended.refusal


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_a_hostile_checkpoint(name: str, run: Run, home: Path, tmp_path: Path) -> None:
    canary, path = tmp_path / "canary", tmp_path / "model.params"
    MAKERS[name](path, canary)
    assert "model.params" in _is_refused(run, "inspect", path)
    assert not canary.exists()
    assert not home.exists()


HURRIED_SECONDS = 3.0
WRAPPED = sorted(name for name in MAKERS if "wrap" in name or "dots" in name or "entries" in name or "inert" in name)


@pytest.mark.parametrize("name", WRAPPED)
@pytest.mark.parametrize("options", [("--template",), ("--entry", "model"), ("--entry", "." * 100_000)])
def test_a_hostile_wrapper_by_entry_and_as_a_template(
    name: str, options: tuple[str, ...], run: Run, home: Path, tmp_path: Path
) -> None:
    canary, path = tmp_path / "canary", tmp_path / "model.params"
    MAKERS[name](path, canary)
    start = time.process_time()
    ended = run("inspect", path, *options)
    assert time.process_time() - start < HURRIED_SECONDS
    assert ended.code == 1
    assert ended.refusal.isprintable()
    assert "unexpected" not in ended.refusal
    assert not canary.exists()
    assert not home.exists()


NAMES: dict[str, str] = {
    "dots.toml": "[names]\nencoder = '" + "." * 90_000 + "'\n",
    "many.toml": "[names]\nignore = [" + "'a', " * 15_000 + "]\n",
    "number.toml": "[names]\nignore = 3\n",
    "numbers.toml": "[names]\nignore = [1, [2]]\n",
    "group.toml": "[names.ignore]\na = 1\n",
    "text.toml": 'names = "ignore"\n',
    "padding.toml": '[vocabulary]\ntokens = "()"\npairs = ["()"]\nunused = 1000000000000\n',
}


@pytest.mark.parametrize("template", [(), ("--template",)])
@pytest.mark.parametrize("name", NAMES)
def test_a_hostile_section_of_names(name: str, template: tuple[str, ...], run: Run, home: Path, tmp_path: Path) -> None:
    state = torch.nn.TransformerEncoderLayer(4, 2, 4).state_dict()
    torch.save({f"module.layers.0.{key}": tensor for key, tensor in state.items()}, tmp_path / "m.pt")
    (tmp_path / name).write_text(NAMES[name])
    start = time.process_time()
    ended = run("inspect", tmp_path / "m.pt", "--config", tmp_path / name, *template)
    assert time.process_time() - start < HURRIED_SECONDS
    assert ended.code in (0, 1) if template else ended.code == 1
    assert "unexpected" not in ended.stderr
    assert not home.exists()


def _npz(**records: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in records.items():
            file.writestr(f"{name}.npy", data)
    return buffer.getvalue()


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _header(shape: str, dtype: str = "<f8") -> bytes:
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}}}\n".encode("latin-1")
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


_TOKENS = _npy(np.zeros((1, 2), dtype=np.int64))
REFERENCES: dict[str, Callable[[Path], bytes]] = {
    "pickled_array.npz": lambda c: _npz(
        tokens=_TOKENS, logits=_header("(1,)", "|O") + call("posix", "system", f"touch {c}")
    ),
    "shape_lie.npz": lambda _: _npz(tokens=_TOKENS, logits=_header("(1000000, 1000000)") + bytes(80)),
    "negative_shape.npz": lambda _: _npz(tokens=_TOKENS, logits=_header("(-1, 2)") + bytes(16)),
    "bomb.npz": lambda _: _npz(tokens=_TOKENS, logits=_header("(1, 2, 8)") + bytes(10**8)),
    "code_in_header.npz": lambda c: _npz(tokens=_TOKENS, logits=_header(f"open('{c}', 'w')")),
    "one_array.npz": lambda _: _npz(tokens=_TOKENS),
    "truncated.npz": lambda _: _npz(tokens=_TOKENS, logits=_TOKENS)[:-30],
    "deep.json": lambda _: b"[" * 100_000,
    "ragged.json": lambda _: json.dumps({"tokens": [[1], [1, 2]], "logits": [[1.0]]}).encode(),
    "words.json": lambda _: json.dumps({"tokens": [["a"]], "logits": [[[1.0] * 8]]}).encode(),
    "nan.json": lambda _: b'{"tokens": [[2]], "logits": [[[NaN,1,1,1,1,1,1,1]]]}',
    "other_model.json": lambda _: json.dumps({"tokens": [[2]], "logits": [[[1.0] * 9]]}).encode(),
    "tokens_outside.json": lambda _: json.dumps({"tokens": [[99]], "logits": [[[1.0] * 8]]}).encode(),
    "huge_tokens.json": lambda _: json.dumps({"tokens": [[10**30]], "logits": [[[1.0] * 8]]}).encode(),
    "other_numbers.json": lambda _: json.dumps({"tokens": [[2]], "logits": [[[1.0] * 8]]}).encode(),
    "pickle.npy": lambda c: call("posix", "system", f"touch {c}"),
    "not.safetensors": lambda _: good(),
}


@pytest.mark.parametrize("name", REFERENCES)
def test_a_hostile_reference(name: str, run: Run, tmp_path: Path) -> None:
    canary, path = tmp_path / "canary", tmp_path / name
    path.write_bytes(REFERENCES[name](canary))
    _is_refused(run, "inspect", MODEL, "--reference", path)
    assert not canary.exists()


CONFIGURATIONS: dict[str, Callable[[Path], str]] = {
    "python_object.yaml": lambda c: f"a: !!python/object/apply:os.system ['touch {c}']\n",
    "aliases.yaml": lambda _: "a: &a [1,1,1,1]\nb: &b [*a,*a,*a,*a]\nc: [*b,*b,*b,*b]\n",
    "deep.yaml": lambda _: "[" * 5_000,
    "deep.toml": lambda _: "a = " + "[" * 5_000,
    "twice.toml": lambda _: "[task]\ndepth = 1\ndepth = 2\n",
    "date.toml": lambda _: "[task]\ndepth = 2020-01-01\n",
    "long.toml": lambda _: "a = 1\n" * 100_000,
    "infinite.toml": lambda _: "[model]\nnorm_epsilon = inf\n",
    "unknown.toml": lambda _: "[modle]\nheads = 2\n",
    "deep.json": lambda _: '{"a":' * 5_000,
}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_a_hostile_description(name: str, run: Run, tmp_path: Path) -> None:
    canary, path, checkpoint = tmp_path / "canary", tmp_path / name, tmp_path / "m.safetensors"
    path.write_text(CONFIGURATIONS[name](canary))
    checkpoint.write_bytes(MODEL.read_bytes())
    refusal = _is_refused(run, "inspect", checkpoint, "--config", path)
    assert not canary.exists()
    assert name in refusal or "contradicts" in refusal


@pytest.mark.parametrize("content", ["[" * 50_000, "[]", '{"model_type": "gpt2", "model_type": "gpt2"}', "\x00"])
def test_a_hostile_folder(content: str, run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "gpt2"
    folder.mkdir()
    save_file({"transformer.wte.weight": torch.ones(7, 4)}, folder / "model.safetensors")
    (folder / "config.json").write_text(content)
    assert "config.json" in _is_refused(run, "inspect", folder)


def test_sizes_that_no_memory_holds_are_refused_before_they_are_made(run: Run, tmp_path: Path) -> None:
    folder, config = tmp_path / "gpt2", tmp_path / "c.toml"
    folder.mkdir()
    save_file({"transformer.wte.weight": torch.ones(8, 4)}, folder / "model.safetensors")
    facts = {"model_type": "gpt2", "vocab_size": 8, "n_positions": 10**9, "n_embd": 4, "n_layer": 10**9, "n_head": 2}
    (folder / "config.json").write_text(json.dumps(facts))
    config.write_text("[vocabulary]\nbrackets = 2\n[task]\ndepth = 3\nmax_length = 8\n")
    assert "wpe" in _is_refused(run, "inspect", folder, "--config", config)
