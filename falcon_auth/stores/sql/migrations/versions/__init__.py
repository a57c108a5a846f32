"""One module per version; `falcon_auth.stores.sql.tables.REVISIONS` lists them in order."""
