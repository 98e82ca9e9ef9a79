"""What a mean over all outputs hides: each break of a copy in one place fails, and the failure names the place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from auditor.behaviour import certificate
from auditor.behaviour.bounds import clustered_bound
from auditor.behaviour.breakdown import FAR, by_kind, rows
from auditor.behaviour.certificate import BEHAVIOURAL_MARGINS, LONGER_SEQUENCES, certify_behavioural
from auditor.behaviour.comparison import Comparison, compare
from auditor.behaviour.input_batch import InputBatch, Rewritten, draw_inputs
from auditor.behaviour.rare_states import WANTED, draw_rare
from auditor.behaviour.weight_noise import LEVELS, noise_yardstick, with_noise
from auditor.behaviour.worst_string import worst_string
from auditor.canonical.model import CanonicalTransformer
from auditor.language.grammar import is_member, states
from auditor.records import Certificate
from auditor.seeds import numpy_generator
from auditor.testing.families import FAMILIES, task_for
from tests.handmade import random_model, stack_model

Places = Callable[[Comparison], NDArray[np.bool_]]

BROKEN = 3.0
"""KL in nats where a break is put."""


def _inputs(model: CanonicalTransformer, count: int, lengths: tuple[int, int] | None = None) -> Rewritten:
    drawn = draw_inputs(model.task, count, numpy_generator(0, "weak places"), lengths=lengths)
    return Rewritten(drawn, drawn)


def _certificate(monkeypatch: pytest.MonkeyPatch, *, inside: Places | None, longer: Places | None) -> Certificate:
    """Of a copy of the stack model whose answers are broken in some places, in distribution and on longer inputs."""
    model, given = stack_model(), _inputs(stack_model(), 1_500)
    beyond = _inputs(model, LONGER_SEQUENCES, (60, 70))

    def broken(ours: CanonicalTransformer, theirs: CanonicalTransformer, read: Rewritten) -> Comparison:
        found, places = compare(ours, theirs, read), longer if read is beyond else inside
        if places is None:
            return found
        where = places(found) & found.decides
        right = np.stack([found.right[:, 0], found.right[:, 1] & ~where], axis=1)
        return replace(found, kl=np.where(where, BROKEN, found.kl), differs=found.differs | where, right=right)

    monkeypatch.setattr(certificate, "compare", broken)
    return certify_behavioural(model, model.clone(), given, beyond, generator=numpy_generator(0, "x"), searches=False)


def _missed(found: Certificate) -> set[str]:
    return {text.split()[0] for text in found.failures}


def test_an_untouched_copy_passes_in_every_row(monkeypatch: pytest.MonkeyPatch) -> None:
    found = _certificate(monkeypatch, inside=None, longer=None)
    assert found.passed
    cuts = {(where, by) for where in ("in_distribution", "longer") for by in ("depth", "position", "distance")}
    assert {(row.inputs, row.by) for row in found.rows} == cuts | {("rare", "state")}
    assert all(row.kl_upper95_nats == 0.0 for row in found.rows)
    assert all(0.0 < (row.disagreement_upper95 or 0.0) < 0.05 for row in found.rows)


def test_a_copy_that_is_wrong_at_one_position_of_longer_inputs_fails_there_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """1 position of about 60 and 1 decision in 2 there: .8 % of decisions, which no other row sees."""
    found = _certificate(monkeypatch, inside=None, longer=lambda c: (c.position == 40) & (c.owner % 2 == 0))
    assert _missed(found) == {"longer_row_kl_upper95_nats", "longer_row_disagreement_upper95"}
    assert all(text.endswith("(longer, position 40)") for text in found.failures)


def test_a_copy_that_is_wrong_at_long_distance_fails_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer than 250 of these sequences have a match so far away, so that it is judged with the next nearer ones."""
    found = _certificate(monkeypatch, inside=None, longer=lambda c: c.distance >= FAR)
    assert "(longer, distance 9 and more)" in " ".join(found.failures)


def test_a_copy_that_is_wrong_at_the_depth_bound_fails_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """In one sequence of twelve: 8 % of the decisions at this depth."""
    found = _certificate(monkeypatch, inside=lambda c: (c.depth == 3) & (c.owner % 12 == 0), longer=None)
    assert "row_disagreement_upper95" in _missed(found)
    assert "depth 3)" in " ".join(found.failures)


def test_errors_that_swap_places_on_longer_inputs_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """3 % of decisions are wrong in one model alone, as many in the other: the accuracies are equal."""
    model, beyond = stack_model(), _inputs(stack_model(), LONGER_SEQUENCES, (60, 70))

    def swapped(ours: CanonicalTransformer, theirs: CanonicalTransformer, read: Rewritten) -> Comparison:
        found = compare(ours, theirs, read)
        if read is not beyond:
            return found
        order = numpy_generator(0, "swapped").permutation(np.flatnonzero(found.decides))
        part, right = round(0.03 * len(order)), found.right.copy()
        right[order[:part], 0], right[order[part : 2 * part], 1] = False, False
        return replace(found, right=right, differs=found.differs | (right[:, 0] != right[:, 1]))

    monkeypatch.setattr(certificate, "compare", swapped)
    found = certify_behavioural(
        model, model.clone(), _inputs(model, 800), beyond, generator=numpy_generator(0, "x"), searches=False
    )
    assert found.longer is not None
    assert found.longer["closing_accuracy_difference"] < 1e-3
    assert "longer_disagreement_upper95" in _missed(found)
    assert "longer_closing_accuracy" not in _missed(found)


@pytest.mark.parametrize("per_sequence", [True, False])
def test_the_clustered_bound_counts_independent_decisions(per_sequence: bool) -> None:
    """20 % of decisions differ: whole sequences of them, or single ones; 50 sequences of 40 decisions.

    Whole sequences are 10 of 50, whose exact bound is .317; single ones are nearly 400 of 2,000: .215.
    """
    model = stack_model()
    found, n, each = compare(model, model, _inputs(model, 5)), 50, 40
    owner = np.repeat(np.arange(n), each)
    differs = owner % 5 == 0 if per_sequence else numpy_generator(0, "single").permutation(n * each) < n * each // 5
    found = replace(found, owner=owner, differs=differs, decides=np.ones(n * each, dtype=bool), sequences=n)
    bound = clustered_bound(found)
    assert bound == pytest.approx(0.317 if per_sequence else 0.215, abs=0.005)


def _uncancelled() -> CanonicalTransformer:
    """The stack model with closing brackets that write a tenth less than their opening ones.

    Of n matched pairs of the other type beside the open bracket, all at one depth, n/10 stays: from n = 10 on it wins.
    """
    twin = stack_model()
    vocabulary = twin.task.language.vocabulary
    with torch.no_grad():
        for token in vocabulary.closing:
            twin.W_E[token, :, -2:] *= 0.9
    return twin


def test_the_search_finds_a_string_on_which_a_copy_fails() -> None:
    model, twin = stack_model(), _uncancelled()
    given = _inputs(model, 100).before
    found = compare(model, twin, Rewritten(given, given))
    sample = worst_string(model, twin, given, found, numpy_generator(0, "search"), rounds=0)
    searched = worst_string(model, twin, given, found, numpy_generator(0, "search"))
    assert searched.kl_nats >= sample.kl_nats
    assert (sample.searched, searched.searched > 300) == (100, True)
    assert is_member(model.task.language, model.task.language.vocabulary.encode(searched.text))
    again = worst_string(model, twin, given, found, numpy_generator(0, "search"))
    assert again == searched
    assert sample.answers is None


def test_the_worst_string_keeps_what_both_models_answer_on_it() -> None:
    """The answers at its position are the softmax there; the open bracket is the one that the twin mistakes."""
    model, twin = stack_model(), _uncancelled()
    given = _inputs(model, 100).before
    found = compare(model, twin, Rewritten(given, given))
    worst = worst_string(model, twin, given, found, numpy_generator(0, "search"))
    vocabulary = model.task.language.vocabulary
    read = torch.tensor([vocabulary.encode(" ".join(worst.tokens))])
    with torch.no_grad():
        both = [one(read)[0, worst.position].softmax(-1) for one in (model, twin)]
    assert worst.answers is not None
    for name, probabilities in worst.answers.items():
        token = vocabulary.encode(name)[0]
        assert probabilities == pytest.approx([float(one[token]) for one in both], abs=1e-5)
    assert sum(first for first, _ in worst.answers.values()) > 0.99
    kl = sum(p * (np.log(p) - np.log(q)) for p, q in zip(*(one.tolist() for one in both), strict=True) if p > 0)
    assert kl == pytest.approx(worst.kl_largest_nats, rel=1e-3)
    state = states(model.task.language, read.numpy())
    opener = int(state.opener[0, worst.position])
    assert worst.opener == (opener if opener >= 0 else None)


def test_the_worst_string_has_a_margin() -> None:
    """A twin that answers the other type is wrong on every string, and its worst one is further than a coin toss."""
    model, twin = stack_model(), stack_model()
    assert twin.W_U is not None
    with torch.no_grad():
        twin.W_U[:2, 6:8] = twin.W_U[:2, 6:8].flip(1)
    found = certify_behavioural(model, twin, _inputs(model, 120), None, generator=numpy_generator(0, "x"))
    assert found.worst_string is not None
    assert found.worst_string.kl_nats > BEHAVIOURAL_MARGINS["worst_string_kl_nats"]
    assert found.worst_string.decisions_differ == found.worst_string.decisions
    assert "worst_string_kl_nats" in _missed(found)


def test_rare_sequences_reach_the_depth_bound_or_a_far_match() -> None:
    task = replace(stack_model().task, max_length=40)
    found = draw_rare(task, numpy_generator(0, "rare"))
    assert found is not None
    place = torch.arange(found.tokens.shape[1])[None, :]
    far = (found.scored & (found.opener >= 0) & (place + 1 - found.opener >= FAR)).any(1)
    deepest = (found.scored & (found.depth == task.language.depth)).any(1)
    assert bool((far | deepest).all())
    assert int(far.sum()) >= WANTED
    assert draw_rare(task_for(FAMILIES[CLASSIFIER]), numpy_generator(0, "rare")) is None


CLASSIFIER = "bidirectional classifier, RMS norm"


def test_a_classifier_has_a_row_of_kinds_and_its_worst_string() -> None:
    model = random_model(FAMILIES[CLASSIFIER], task_for(FAMILIES[CLASSIFIER]))
    given = _inputs(model, 900)
    found = compare(model, model.clone(), given)
    bins = {one.name: one.chosen for one in by_kind(found, given.before)}
    assert {"word", "unbalanced", "wrong type", "near the decision boundary"} <= set(bins)
    words = [is_member(model.task.language, tokens) for tokens in _strings(given.before)]
    assert [bool(chosen) for chosen in bins["word"][np.argsort(found.owner)]] == words
    assert found.confidence[bins["near the decision boundary"]].max() <= np.quantile(found.confidence, 0.12)
    (row,) = rows(found, given.before, "in_distribution")
    assert (row.by, row.disagreement_upper95 is not None) == ("kind", True)
    twin = with_noise(model, 0.3, 0)
    found = compare(model, twin, given)
    worst = worst_string(model, twin, given.before, found, numpy_generator(0, "search"))
    assert worst.kl_nats >= found.kl.max()
    assert worst.decisions == 1
    assert worst.opener is None
    assert worst.answers is not None
    assert list(worst.answers) == ["class 0", "class 1"]
    assert np.sum(list(worst.answers.values()), axis=0) == pytest.approx([1.0, 1.0], abs=1e-5)


def _strings(inputs: InputBatch) -> list[list[int]]:
    return [row[real].tolist() for row, real in zip(inputs.tokens, inputs.not_padding, strict=True)]


def test_more_noise_is_further_away() -> None:
    model = random_model()
    given = _inputs(model, 60).before
    found = noise_yardstick(model, given, None, 0)
    assert set(found) == {f"{name}_at_{level:g}" for name in ("kl_mean_nats", "disagreement") for level in LEVELS}
    less, more = (found[f"kl_mean_nats_at_{level:g}"] for level in LEVELS)
    assert 0.0 < less < more
