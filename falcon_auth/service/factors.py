"""Builds second factors as configured."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from falcon_auth.accounts.own_account import Section
from falcon_auth.api.views import show_factor, show_identity
from falcon_auth.factors.assembly import Factors, assemble
from falcon_auth.factors.encryption import SecretBox, make_key
from falcon_auth.factors.foundations import Foundations
from falcon_auth.factors.setup import MAKE_ONE, relying_party
from falcon_auth.models import User
from falcon_auth.settings import Settings
from falcon_auth.store import FactorStore, IdentityStore

log = structlog.get_logger("falcon_auth.factors")


def make_factors(settings: Settings, foundations: Foundations) -> Factors | None:
    """Build the use cases; None if second factors are off."""
    if not settings.has_factors:
        return None
    return assemble(
        foundations,
        make_box(settings),
        relying_party(settings),
        settings.factor_required_roles,
    )


def factor_sections(factors: Factors | None, store: FactorStore) -> Mapping[str, Section]:
    """Return the section of `GET account` about a user's factors; empty if factors are off."""

    def show(user: User) -> list[object]:
        holder = store.find_holder(user.id)
        return [] if holder is None else [show_factor(each) for each in holder.counted]

    return {} if factors is None else {"factors": show}


def identity_section(store: IdentityStore) -> Mapping[str, Section]:
    """Return what `GET account` shows of a user's accounts at providers."""
    return {"identities": lambda user: [show_identity(each) for each in store.list_of(user.id)]}


def make_box(settings: Settings) -> SecretBox:
    """Return the encryption of secrets; without ENCRYPTION_KEYS, its key ends with this process."""
    keys = [key.get_secret_value() for key in settings.encryption_keys]
    if not keys:
        log.warning(
            "random_encryption_key",
            consequence="authenticator apps and recovery codes end with this process",
            remedy=f"set ENCRYPTION_KEYS; {MAKE_ONE}",
        )
        keys = [make_key()]
    return SecretBox(keys)
