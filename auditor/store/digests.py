"""A digest of a JSON document by its content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from auditor.records import Json
from auditor.store.columns import require_clean_json


def digest(document: Mapping[str, Json]) -> str:
    """SHA-256 in hex over the canonical JSON: equal content gives an equal digest, in any order of its keys.

    Raises:
        UnstorableValueError: the document is not clean JSON.
    """
    require_clean_json(document, name="document")
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
