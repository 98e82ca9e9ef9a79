"""Models and reports with hostile names on every page: text, harmless, and within the width of a telephone."""

from __future__ import annotations

import dataclasses

import pytest
from fastapi.testclient import TestClient

from auditor.records import AuditReport
from auditor.report.summary import summarise
from auditor.store.audits import create_audit
from auditor.store.models import add_model
from auditor.store.reports import save_report
from auditor.store.session import Database
from tests.auditor.report.hostile import NAMES, hostile_report, large_report, without_verdicts
from tests.auditor.report.samples import make_finding, sample_report
from tests.cli.conftest import CELLS

STORABLE = tuple(name for name in NAMES if "\udc80" not in name)
UNSAFE = ("<script>alert", "onerror=alert(2)>", "\x1b", "\x07", "\u202e", "\u200b", "\u2028")
ARCHITECTURE = {"blocks": [{"heads": 2}], "model_width": 32, "name": STORABLE[0]}


def stored(database: Database, name: str, report: AuditReport) -> tuple[str, str]:
    """Store a model of this name and an audit with this report: their ids."""
    with database.transaction() as session:
        model = add_model(
            session,
            weights=name.encode(),
            name=name,
            format=name[:20],
            source_sha256="ab" * 32,
            architecture=ARCHITECTURE,
            task={"brackets": 3, "depth": 4},
            parameters=10,
        )
        audit = create_audit(
            session,
            model_id=model.id,
            plan={"name": name},
            plan_name=name,
            seed=0,
            cells=CELLS,
            versions={name: name},
            label=name,
        )
        save_report(session, audit.id, report)
    return model.id, audit.id


def with_plain_ids(report: AuditReport) -> AuditReport:
    """Ids as the package makes them, names as they are; without what no store takes."""
    findings = tuple(
        dataclasses.replace(finding, id=f"f{place:04x}")
        for place, finding in enumerate(report.findings)
        if "\udc80" not in finding.claim.text
    )
    kept = [variant for variant in report.variants if "\udc80" not in variant.key]
    return dataclasses.replace(
        report,
        findings=findings,
        variants=tuple(kept),
        not_applicable=(),
        audit=dataclasses.replace(report.audit, plan_settings={}),
        model=dataclasses.replace(report.model, name=STORABLE[0]),
        illustrations=tuple(one for one in report.illustrations if "\udc80" not in one.variant),
        summary=summarise(findings, kept, ()),
    )


@pytest.mark.parametrize("name", STORABLE, ids=range(len(STORABLE)))
def test_hostile_names_are_text_on_every_page(client: TestClient, database: Database, name: str) -> None:
    report = with_plain_ids(hostile_report())
    model, audit = stored(database, name, report)
    paths = ["/", "/findings", "/models", f"/models/{model}", f"/audits/{audit}", f"/audits/{audit}/report"]
    paths += [f"/findings/{audit}/{report.findings[0].id}", f"/diff?first={audit}&second={audit}"]
    paths += [f"/models/{model}/delete", f"/audits/{audit}/delete"]
    for path in paths:
        shown = client.get(path)
        assert shown.status_code == 200, path
        assert not [unsafe for unsafe in UNSAFE if unsafe in shown.text], path
        assert len(shown.content) < 2_000_000, path


@pytest.mark.parametrize("build", [large_report, without_verdicts])
def test_large_and_empty_reports_have_pages(client: TestClient, database: Database, build: type) -> None:
    report: AuditReport = build()
    _, audit = stored(database, build.__name__, report)
    for path in (f"/audits/{audit}", f"/audits/{audit}/report", f"/findings?audit={audit}&limit=1000"):
        shown = client.get(path)
        assert shown.status_code == 200, path
        assert len(shown.content) < 2_000_000, path


def test_every_kind_of_finding_has_a_page(client: TestClient, database: Database) -> None:
    sample = sample_report()
    bare = make_finding(id="f9999", worst_variant=None, variants=(), effect=None, reason="undefined")
    report = dataclasses.replace(sample, findings=(*sample.findings, bare))
    _, audit = stored(database, "every", report)
    for finding in report.findings:
        shown = client.get(f"/findings/{audit}/{finding.id}")
        assert shown.status_code == 200, finding
    assert "undefined" in shown.text
