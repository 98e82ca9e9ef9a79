"""Models, their weights by content, and the ids and names that find them."""

from __future__ import annotations

import hashlib
import random

import pytest
from sqlalchemy import select, update

from auditor.errors import AmbiguousError, NotFoundError, StoreError
from auditor.store import (
    Database,
    StoredAudit,
    StoredModel,
    add_model,
    cancel_audit,
    get_blob,
    get_model,
    list_audits,
    list_models,
    load_weights,
    put_blob,
    remove_audits,
    remove_model,
    resolve_audit,
    resolve_model,
    save_variant,
)
from auditor.store.ids import ALPHABET, LENGTH, content_id, new_id
from auditor.store.schema import blob
from tests.auditor.store.samples import twin


def _add(database: Database, **changes: object) -> StoredModel:
    given = {
        "name": "two-heads",
        "format": "native",
        "source_sha256": "0" * 64,
        "architecture": {"heads": 2, "layers": 1},
        "task": {"brackets": 2, "depth": 4},
        "weights": b"weights",
        "parameters": 7,
    }
    with database.transaction() as session:
        return add_model(session, **{**given, **changes})  # type: ignore[arg-type]


def test_the_same_model_twice_is_one_row(database: Database, stored_model: StoredModel) -> None:
    assert _add(database, name="another name") == stored_model
    assert _add(database, weights=b"other").id != stored_model.id
    assert _add(database, task={"brackets": 2, "depth": 5}).id != stored_model.id
    with database.transaction() as session:
        assert len(list_models(session)) == 3
        assert load_weights(session, stored_model.weights_sha256) == b"weights"


def test_a_model_has_the_same_id_everywhere() -> None:
    """The id's ten letters are the digest's lowest fifty bits: 31 = letter 31, then 1 = letter 1, then zeros."""
    assert content_id("m", f"{31 + (1 << 5):064x}") == "m" + ALPHABET[31] + ALPHABET[1] + "0" * 8


def test_models_are_found_by_id_prefix_and_name(database: Database, stored_model: StoredModel) -> None:
    other = _add(database, name="second", weights=b"other")
    with database.transaction() as session:
        for text in (stored_model.id, stored_model.name):
            assert get_model(session, text) == stored_model
        assert resolve_model(session, other.id[:-1]) == other.id
        with pytest.raises(AmbiguousError, match=f"{min(other.id, stored_model.id)}"):
            resolve_model(session, "m")
        for text in ("nothing", "", "%", "m_"):
            with pytest.raises(NotFoundError, match=r"no model matches .*models list"):
                resolve_model(session, text)


def test_one_name_for_two_models_is_ambiguous(database: Database, stored_model: StoredModel) -> None:
    other = _add(database, weights=b"other")
    with database.transaction() as session:
        with pytest.raises(AmbiguousError) as caught:
            resolve_model(session, stored_model.name)
        assert stored_model.id in str(caught.value)
        assert other.id in str(caught.value)
        assert resolve_model(session, other.id) == other.id


def test_blobs_are_named_by_their_content(database: Database) -> None:
    data = bytes(range(256)) * 100
    with database.transaction() as session:
        sha256 = put_blob(session, data, "application/octet-stream")
        assert put_blob(session, data, "application/octet-stream") == sha256
    assert sha256 == hashlib.sha256(data).hexdigest()
    with database.transaction() as session:
        assert get_blob(session, sha256) == data
        with pytest.raises(NotFoundError, match="no stored bytes"):
            get_blob(session, "0" * 64)
        session.execute(update(blob).values(data=data[:-1] + b"\x00"))
        with pytest.raises(StoreError, match="damaged"):
            get_blob(session, sha256)


def test_a_model_with_audits_is_not_removed_by_accident(database: Database, audit: StoredAudit) -> None:
    with database.transaction() as session:
        save_variant(session, audit.id, twin(), b"twin weights")
    with pytest.raises(StoreError, match="has 1 audits"), database.transaction() as session:
        remove_model(session, audit.model_id)
    with pytest.raises(StoreError, match="still runs"), database.transaction() as session:
        remove_model(session, audit.model_id, with_audits=True)
    with database.transaction() as session:
        cancel_audit(session, audit.id)
        remove_model(session, audit.model_id, with_audits=True)
        assert list_models(session) == []
        assert list_audits(session).rows == ()
        assert session.execute(select(blob.c.sha256)).all() == []


def test_weights_in_use_stay_when_an_audit_goes(database: Database, audit: StoredAudit) -> None:
    with database.transaction() as session:
        save_variant(session, audit.id, twin(), b"twin weights")
        cancel_audit(session, audit.id)
        assert remove_audits(session, [audit.id]) == 1
        model = get_model(session, audit.model_id)
        assert session.execute(select(blob.c.sha256)).scalars().all() == [model.weights_sha256]


def test_audits_are_found_by_prefix_and_latest(database: Database, audit: StoredAudit) -> None:
    with database.transaction() as session:
        assert resolve_audit(session, audit.id[:-2]) == audit.id
        assert resolve_audit(session, "latest") == audit.id


def test_latest_without_audits_gives_the_command_to_type(database: Database) -> None:
    with pytest.raises(NotFoundError, match="no audit yet; make one"), database.transaction() as session:
        resolve_audit(session, "latest")


def test_random_ids_are_short_and_differ() -> None:
    ids = {new_id("a") for _ in range(1000)}
    assert len(ids) == 1000
    assert all(len(one) == 1 + LENGTH and set(one[1:]) <= set(ALPHABET) for one in ids)


def test_a_name_of_ten_thousand_letters_is_kept(database: Database) -> None:
    draw = random.Random(0)
    name = "".join(chr(draw.randrange(0x4E00, 0x9FFF)) for _ in range(10_000))  # no compression makes it short
    added = _add(database, name=name)
    with database.transaction() as session:
        assert get_model(session, name) == added
