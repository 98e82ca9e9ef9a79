"""Letters for terminals and pipes whose encoding lacks some: the nearest plain letters instead of an error.

ASCII, Latin-1 and Windows code pages lack the dashes, arrows, Greek and comparison signs that results are written with.
"""

from __future__ import annotations

import codecs
import unicodedata
from typing import Any

NEAREST = "dyck-audit-nearest"
"""The name under which streams find :func:`_replaced`."""

PLAIN = {
    "–": "-", "—": "-", "−": "-", "‑": "-", "…": "...", "·": "|", "•": "*", "×": "x", "⊙": "*", "→": "->", "←": "<-",
    "↔": "<->", "↦": "->", "↑": "^", "↓": "v", "↕": "^v", "≤": "<=", "≥": ">=", "≠": "!=", "≈": "~", "±": "+/-",
    "√": "sqrt", "∞": "inf", "∈": "in", "∂": "d", "∑": "sum", "∫": "integral", "‘": "'", "’": "'", "′": "'",
    "“": '"', "”": '"', "«": '"', "»": '"', "✓": "ok", "✅": "ok", "✗": "no", "❌": "no", "⚠": "!", "❔": "(?)",
    "ß": "ss", "ø": "o", "Ø": "O", "æ": "ae", "Æ": "AE", "ł": "l", "‖": "||", "°": " deg", "█": "#",
}  # fmt: skip
"""The replacement of a letter that an encoding lacks."""


def nearest(letter: str) -> str:
    """A letter in ASCII: as in :data:`PLAIN`, a Greek one by its name, others without their accents, else "?"."""
    if letter in PLAIN:
        return PLAIN[letter]
    if "─" <= letter <= "╿":  # lines of boxes
        return {"│": "|", "┃": "|", "║": "|", "─": "-", "━": "-", "═": "-"}.get(letter, "+")
    name = unicodedata.name(letter, "")
    if name.startswith("GREEK") and " LETTER " in name:
        return name.split(" LETTER ")[1].split()[0].lower()
    if unicodedata.category(letter).startswith("M"):  # an accent or a variation of the letter before
        return ""
    parts = unicodedata.normalize("NFKD", letter)
    return "?" if parts == letter else "".join(part if part.isascii() else nearest(part) for part in parts)


def written(text: str, encoding: str | None) -> str:
    """The text as a stream of this encoding shows it."""
    name = encoding or "utf-8"
    return text.encode(name, NEAREST).decode(name)


def never_fail(stream: Any) -> None:
    """Let a stream write any text; one that is no text stream of Python's is left as it is."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors=NEAREST)


def _replaced(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(nearest, error.object[error.start : error.end])), error.end


codecs.register_error(NEAREST, _replaced)
