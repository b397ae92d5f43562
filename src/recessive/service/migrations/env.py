"""Alembic runs this file; see `upgrade` for who asks it to."""

from alembic import context

from recessive.service.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,  # SQLite too: the connection's transaction is a real one
)
with context.begin_transaction():
    context.run_migrations()
