"""One module a version; `falcon_auth.stores.schema.REVISIONS` lists them in order."""
