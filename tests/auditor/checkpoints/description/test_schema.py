"""The schema of --config is one table: what is read, what is refused, and what is published."""

from __future__ import annotations

import jsonschema
import pytest

from auditor.checkpoints.description.reading import Description
from auditor.checkpoints.description.schema import SECTIONS, check_names, json_schema
from auditor.errors import ConfigurationError
from tests.foreign import MAKERS
from tests.foreign.bracket_classifier import DESCRIPTION

LIGHT = ("nanogpt", "torch_encoder")


def test_the_published_schema_accepts_the_examples() -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    for facts in (DESCRIPTION, *(MAKERS[name](seed).configuration for name in LIGHT for seed in range(3))):
        jsonschema.validate(dict(facts), schema)


def test_every_fact_has_a_meaning() -> None:
    for facts in SECTIONS.values():
        assert all(fact.meaning and (fact.kind == "choice") == bool(fact.choices) for fact in facts.values())


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"modle": {}}, "unknown option 'modle'"),
        ({"schema": "dyck-audit/config/2"}, "schema = 'dyck-audit/config/2'"),
        ({"task": {"dept": 3}}, "unknown option 'task.dept'"),
        ({"model": {"heads": 2}}, "unknown option 'model.heads'; expected activation"),
        ({"names": {"encoder": "e"}}, "unknown option 'names.encoder'; expected none"),
        ({"task": 3}, "task is not a group"),
    ],
)
def test_a_fact_that_is_not_read_is_refused(facts: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        check_names(Description(facts), model=("activation",))
