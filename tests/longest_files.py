"""The files of tests that take longest, which run first: one that began last would leave the other core idle."""

from __future__ import annotations

from typing import Final

LONGEST_FIRST: Final = (
    "tests/acceptance/test_command_line.py",
    "tests/acceptance/test_example_plugin.py",
    "tests/acceptance/test_web_server.py",
    "tests/acceptance/test_foreign_models.py",
    "tests/laws/test_methods.py",
    "tests/laws/test_exact_equivalences.py",
    "tests/auditor/equivalences/test_trained_twins.py",
    "tests/auditor/equivalences/test_adversarial_attention.py",
    "tests/laws/test_expected_behaviour.py",
    "tests/auditor/zoo/test_zoo.py",
    "tests/auditor/interpretations/test_integrated_gradients.py",
    "tests/auditor/measures/attribution/test_memory.py",
    "tests/auditor/stages/test_shared_measuring.py",
    "tests/auditor/gate/test_attack.py",
    "tests/cli/test_reproduce.py",
    "tests/auditor/calibration/test_run.py",
    "tests/auditor/fingerprint/test_function.py",
    "tests/auditor/verdicts/test_null.py",
    "tests/auditor/test_pipeline.py",
)
"""Paths from the repository's root, as measured. Files that take less than a quarter of a minute are left out."""
