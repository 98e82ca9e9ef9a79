"""Plug-ins of installed packages: found by entry point; one that cannot be used is left out with one clear warning."""

from __future__ import annotations

from pathlib import Path

import pytest

from auditor.contracts import InterpretationMethod, methods
from auditor.errors import PluginWarning
from auditor.registry import Discovered, discover

GROUP = "dyck_audit.interpretations"
OWN = set(methods())
METHOD = '''
from auditor.measures.attention import RowReading


class Half(RowReading):
    """Half of what a row is."""

    version = 1
    summary = "half"
    unit = "half"
    higher_means = "more"
    source = "this test"

    def read(self, rows):
        return rows.pattern.sum(-1) / 2
'''


def _install(site: Path, package: str, version: str, *, entry: str, code: str) -> None:
    """A package as pip leaves it: one module, and its metadata beside it."""
    module = package.replace("-", "_")
    information = site / f"{module}-{version}.dist-info"
    information.mkdir(parents=True)
    (site / f"{module}.py").write_text(code)
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
    (information / "entry_points.txt").write_text(f"[{GROUP}]\n{entry} = {module}\n")


def _found() -> Discovered[InterpretationMethod]:
    return discover.__wrapped__("auditor.interpretations", InterpretationMethod, GROUP)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path, into which a test installs packages."""
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_a_plugin_has_the_name_of_its_entry_point_and_names_its_package(site: Path) -> None:
    _install(site, "registry-half", "0.3", entry="half_row", code=METHOD)
    found = _found()
    assert not found.refused
    assert set(found.plugins) == {*OWN, "half_row"}
    assert found.plugins["half_row"].name == "half_row"
    assert str(found.plugins["half_row"].origin) == "registry-half 0.3"
    assert {one.origin.package for name, one in found.plugins.items() if name != "half_row"} == {"dyck-audit"}


def test_an_entry_point_may_name_the_class(site: Path) -> None:
    _install(site, "registry-class", "0.1", entry="half_row", code=METHOD)
    file = site / "registry_class-0.1.dist-info" / "entry_points.txt"
    file.write_text(f"[{GROUP}]\nhalf_row = registry_class:Half\n")
    assert "half_row" in _found().plugins


@pytest.mark.parametrize(
    ("package", "code", "why"),
    [
        ("registry-import", "import no_such_module\n", "No module named 'no_such_module'"),
        ("registry-syntax", "def\n", "SyntaxError"),
        ("registry-empty", "", "defines 0 plug-ins of InterpretationMethod"),
        ("registry-two", METHOD + METHOD.replace("Half", "Third"), "defines 2 plug-ins"),
        ("registry-silent", METHOD.replace('    unit = "half"\n', ""), "Half does not say its unit"),
        ("registry-raises", "raise SystemError('broken')\n", "SystemError: broken"),
    ],
)
def test_one_that_cannot_be_used_is_left_out_by_name_and_package(site: Path, package: str, code: str, why: str) -> None:
    _install(site, package, "2.0", entry="other_rows", code=code)
    _install(site, f"{package}-beside", "1.0", entry="half_row", code=METHOD)
    with pytest.warns(PluginWarning) as warned:
        found = _found()
    assert [str(one.message) for one in warned] == [str(one) for one in found.refused]
    (refused,) = found.refused
    assert refused.found.startswith(f"plug-in other_rows of {package} 2.0 is left out")
    assert why in refused.found
    assert set(found.plugins) == {*OWN, "half_row"}


def test_the_name_of_a_plugin_of_this_package_is_taken(site: Path) -> None:
    _install(site, "registry-taken", "1.0", entry="ablation_head_zero", code=METHOD)
    with pytest.warns(PluginWarning, match="ablation_head_zero of registry-taken 1.0 .* plug-in of dyck-audit"):
        found = _found()
    assert found.plugins["ablation_head_zero"].origin.is_own


def test_of_two_packages_with_one_name_neither_is_taken(site: Path) -> None:
    for package in ("registry-one", "registry-other"):
        _install(site, package, "1.0", entry="half_row", code=METHOD)
    with pytest.warns(PluginWarning):
        found = _found()
    assert set(found.plugins) == OWN
    assert [one.found.split(" is left")[0] for one in found.refused] == [
        "plug-in half_row of registry-one 1.0",
        "plug-in half_row of registry-other 1.0",
    ]
