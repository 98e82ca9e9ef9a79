"""The outcome of a gate as JUnit XML, in the form that the Ant and Jenkins schemas both accept."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from xml.etree import ElementTree

from auditor.gate.judging import Checked, Outcome

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot hold, not even escaped."""


def junit_document(name: str, checked: Sequence[Checked], *, at: datetime, seconds: float) -> bytes:
    """One test case per claim: failures for what is unstable, false or undecided; exploratory claims are skipped then.

    ``at`` is UTC.
    """
    failing = [one for one in checked if one.outcome is not Outcome.STABLE]
    suite = ElementTree.Element(
        "testsuite",
        {
            "name": _text(name),
            "timestamp": at.replace(tzinfo=None).isoformat(timespec="seconds"),
            "hostname": "localhost",
            "tests": str(len(checked)),
            "failures": str(sum(one.decides for one in failing)),
            "errors": "0",
            "skipped": str(sum(not one.decides for one in failing)),
            "time": f"{seconds:.3f}",
            "id": "0",
            "package": "dyck-audit",
        },
    )
    ElementTree.SubElement(suite, "properties")
    for one in checked:
        case = ElementTree.SubElement(
            suite, "testcase", {"name": _text(one.entry.name), "classname": _text(name), "time": "0.000"}
        )
        if one.outcome is not Outcome.STABLE:
            said = {"message": _text(f"{one.outcome.upper()}: {one.reason}")}
            if one.decides:
                failure = ElementTree.SubElement(case, "failure", {**said, "type": str(one.outcome)})
                failure.text = _text(one.entry.claim.text)
            else:
                ElementTree.SubElement(case, "skipped", said)
    for empty in ("system-out", "system-err"):
        ElementTree.SubElement(suite, empty)
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    document: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


def github_annotations(path: str, checked: Sequence[Checked]) -> list[str]:
    """Workflow commands that mark the lines of the claims file: errors for failures, warnings for exploratory ones."""
    lines = []
    for one in checked:
        if one.outcome is Outcome.STABLE:
            continue
        level = "error" if one.decides else "warning"
        where = f"file={_property(path)},line={one.entry.line},title={_property(str(one.outcome).upper())}"
        lines.append(f"::{level} {where}::{_escaped(f'{one.entry.name}: {one.reason}')}")
    return lines


def _text(value: str) -> str:
    return _NOT_XML.sub("�", value)


def _escaped(value: str) -> str:
    return value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: str) -> str:
    return _escaped(value).replace(":", "%3A").replace(",", "%2C")
