"""What Alembic runs around the scripts: one connection, one transaction.

``auditor.store.revisions`` hands over a connection that is already in its transaction. The ``alembic`` command, used
only to write a new script, gets one from the settings.
"""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from auditor.errors import StoreError
from auditor.settings import read_settings
from auditor.store.engine import make_engine, parse_url
from auditor.store.schema import metadata


def _run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        compare_type=True,
        render_as_batch=True,  # SQLite changes a column by rebuilding its table
    )
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    raise StoreError("migrations are not written out as SQL", action="run `dyck-audit db upgrade` on the database")

given: Connection | None = context.config.attributes.get("connection")
if given is not None:
    _run(given)
else:
    engine = make_engine(parse_url(read_settings().database_url), foreign_keys=False)
    with engine.begin() as own:
        _run(own)
    engine.dispose()
