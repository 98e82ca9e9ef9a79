"""An audit in one process on a list of strings, and what each step of it sees."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

import auditor
from auditor.contracts import Request, methods
from auditor.errors import LanguageError
from auditor.language.grammar import Dyck
from auditor.language.task import Task
from auditor.plans.own_strings import with_strings
from auditor.records import Interpretation, NotApplicable
from auditor.report.html import render_html
from auditor.report.machine import to_json_text
from auditor.seeds import numpy_generator
from auditor.stages.measure import measure
from auditor.stages.sequences import held_out
from auditor.strings.parts import Part, take
from auditor.strings.reading import strings_of
from auditor.training.fit import Schedule, fit
from tests.auditor.small_audits import PLAN, small_model
from tests.handmade import PLAIN

TEXTS = ["".join(f"({one}{one})" for one in word) + " END" for n in (6, 7) for word in product("ab", repeat=n)]
SMALL = replace(
    PLAN,
    certificate_sequences=120,
    methods=("ablation_head_mean", "attention_stack_top"),
    equivalences=("exact_head_permutation", "behavioural_fp16"),
)


def test_an_audit_of_a_list_or_a_file_of_strings(tmp_path: Path) -> None:
    """All strings have six or seven pairs, so that all lengths that are seen are 13 and 15 with START."""
    path = tmp_path / "mine.txt"
    path.write_text("\n".join(TEXTS) + "\n")
    first, second = (auditor.audit(small_model(), SMALL, strings=given) for given in (TEXTS, path))
    assert first.findings == second.findings
    assert first.audit.strings == second.audit.strings
    assert first.audit.strings is not None
    assert (first.audit.strings.distinct, first.audit.strings.format) == (192, "text")
    by_key = {variant.key: variant.certificate for variant in first.variants}
    assert by_key["behavioural_fp16/0"] is not None
    assert by_key["behavioural_fp16/0"].sequences == 120
    assert first.behaviour.in_distribution.sequences == SMALL.behaviour_sequences
    with pytest.raises(LanguageError, match="strings: 5 distinct strings; expected at least"):
        auditor.audit(small_model(), SMALL, strings=TEXTS[:5])


def test_methods_see_the_strings_for_interpretation() -> None:
    model = small_model()
    plan = with_strings(SMALL, model, strings_of(TEXTS), "s")
    shown = take(model.task, strings_of(TEXTS), Part.INTERPRETATION, plan.sequences, 0).inputs
    for name in plan.methods:
        found = measure(model, plan, 0, name)
        direct = methods()[name].interpret(Request(model.double(), shown, numpy_generator(0, "measure", name)))
        assert isinstance(found, Interpretation)
        assert not isinstance(direct, NotApplicable)
        np.testing.assert_allclose(found.values, direct.values)


def test_only_the_certificate_in_distribution_is_about_the_strings() -> None:
    model = small_model()
    plan = with_strings(SMALL, model, strings_of(TEXTS), "s")
    ours, drawn = held_out(model, plan, 0), held_out(model, SMALL, 0)
    assert set(ours[""].not_padding.sum(1).tolist()) == {13, 15}
    for name in set(ours) - {""}:
        assert (ours[name].tokens == drawn[name].tokens).all()


@pytest.mark.slow
def test_a_model_of_128_bracket_types_trains_is_audited_and_reported() -> None:
    """With strings of the types a, b … z, aa … xxxxx, all of which the generator draws; pages grow by no table."""
    pages = []
    for types in (8, 128):
        task = Task(Dyck.standard(types, 3), max_length=12)
        architecture = replace(PLAIN, blocks=PLAIN.blocks[:1], vocabulary_size=len(task.language.vocabulary))
        schedule = Schedule(steps=3, batch=16, learning_rate=5e-3)
        model = fit(architecture, task, seed=0, schedule=schedule).model
        given = task.draw(2_000, np.random.default_rng(0))
        assert set(task.language.vocabulary.opening) <= set(np.unique(given.tokens).tolist())
        rows = zip(given.tokens.tolist(), given.lengths.tolist(), strict=True)
        texts = [" ".join(task.language.vocabulary.decode(row[1:length])) for row, length in rows]
        plan = replace(
            SMALL,
            methods=(*SMALL.methods, "patching_activation_head", "direct_logit_head", "probe_stack_top"),
            equivalences=("exact_head_permutation", "input_bracket_relabelling"),
        )
        report = auditor.audit(model, plan, strings=list(dict.fromkeys(texts)))
        assert report.audit.strings is not None
        assert report.audit.strings.format == "princeton"
        pages.append((len(render_html(report)), len(to_json_text(report))))
    for small, large in zip(*pages, strict=True):
        assert large < 1.5 * small
