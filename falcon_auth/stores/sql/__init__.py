"""The store in a database: SQLite and PostgreSQL, by SQLAlchemy Core and Alembic."""
