"""Alembic environment: storage/migrate.py runs the steps and provides the connection."""

from alembic import context

from storage.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    compare_type=True,
    transaction_per_migration=True,  # no effect on SQLite, where one transaction encloses all steps
)
with context.begin_transaction():
    context.run_migrations()
