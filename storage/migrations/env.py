"""Alembic's entry: the connection is handed over by storage/migrate, which runs the steps from code."""

from alembic import context

from storage.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    compare_type=True,
    transaction_per_migration=True,  # without effect on SQLite, where one transaction is around all steps
)
with context.begin_transaction():
    context.run_migrations()
