"""Tables, SQL statements and transactions on SQLite and PostgreSQL."""
