"""What is remembered: tables, statements and transactions on SQLite and PostgreSQL."""
