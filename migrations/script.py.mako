"""${message}.

Rules for this file:
1. Its name is its revision, YYYYMMDD_slug, at most 32 letters, and dated after its predecessor: the newest name is the head.
2. It stands alone: import nothing from auditor, spell the types out (sa.Text, sa.Double, sa.JSON, sa.DateTime(timezone=True)).
3. Name every constraint and index as the naming convention would.
4. Change existing tables inside op.batch_alter_table, which works on SQLite and PostgreSQL.
5. downgrade undoes upgrade; say here which data it loses.
6. Read what autogenerate wrote line by line, then replace these rules by what the change is for.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    """${message}."""
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    """Undo it."""
    ${downgrades if downgrades else "pass"}
