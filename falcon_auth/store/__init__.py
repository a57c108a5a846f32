"""The interface of the store: its parts, and what each of their methods guarantees.

A store has one part for each kind of record. Every method of a part is one atomic step: it decides
and acts under one lock, or in one transaction. So a use case is correct with several threads and
processes if each of its steps is.

Every part is safe to call from any thread. Every method raises `StoreUnavailableError` if the
backend cannot answer, and has then changed nothing, with two exceptions in which only the response
may have been lost: the error's detail is `outcome_unknown`, or the method is documented as
repeatable.

A capability adds a part of its own: a protocol here, implementations in `stores/memory/` and
`stores/sql/`, and its guarantees in the contract suite of the tests.

Whatever must be written together with a change is an argument of the method that makes the change,
like the first session in `UserStore.add`. *effects* are the audit events and messages that result
from the change: they are written in its transaction, if and only if it takes place.
"""

from __future__ import annotations

from typing import Protocol

from falcon_auth.store.audit import FAILURES_PER_HOUR, AuditQuery, AuditStore
from falcon_auth.store.changes import Change
from falcon_auth.store.directory import DirectoryStore
from falcon_auth.store.factors import Activation, FactorStore, Holder
from falcon_auth.store.identities import IdentityStore
from falcon_auth.store.outbox import MAX_WAITING_PER_USER, OutboxCount, OutboxStore
from falcon_auth.store.roles import Authority, RoleChange, RoleStore
from falcon_auth.store.sessions import Opening, Rotation, SessionStore
from falcon_auth.store.users import Addition, UserStore

__all__ = [
    "FAILURES_PER_HOUR",
    "MAX_WAITING_PER_USER",
    "Activation",
    "Addition",
    "AuditQuery",
    "AuditStore",
    "Authority",
    "Change",
    "DirectoryStore",
    "FactorStore",
    "Holder",
    "IdentityStore",
    "Opening",
    "OutboxCount",
    "OutboxStore",
    "RoleChange",
    "RoleStore",
    "Rotation",
    "SessionStore",
    "Store",
    "UserStore",
]


class Store(Protocol):
    """Everything that outlives a request, a part for each kind of record."""

    @property
    def users(self) -> UserStore:
        """The users."""

    @property
    def sessions(self) -> SessionStore:
        """The sessions."""

    @property
    def factors(self) -> FactorStore:
        """The second factors."""

    @property
    def roles(self) -> RoleStore:
        """The roles."""

    @property
    def identities(self) -> IdentityStore:
        """The users' accounts at providers."""

    @property
    def directory(self) -> DirectoryStore:
        """The users, for administrators."""

    @property
    def audit(self) -> AuditStore:
        """The audit trail."""

    @property
    def outbox(self) -> OutboxStore:
        """The messages to be delivered."""
