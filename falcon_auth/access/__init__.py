"""Scopes and roles: what users may do, and who may change that."""
