"""Builds the collaborators of the service; nothing else does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from falcon_auth.access.roles import Roles
from falcon_auth.accounts.administration import Administration
from falcon_auth.accounts.directory import Directory
from falcon_auth.accounts.enquiries import CHANNEL
from falcon_auth.accounts.importing import Importing
from falcon_auth.accounts.life import Life, make_life
from falcon_auth.accounts.links import Links
from falcon_auth.accounts.login import PasswordLogin
from falcon_auth.accounts.mail_limits import MailLimits
from falcon_auth.accounts.own_account import Section
from falcon_auth.accounts.parts import Parts
from falcon_auth.accounts.password_change import PasswordChange
from falcon_auth.accounts.registration import Registration
from falcon_auth.accounts.user_changes import UserChanges
from falcon_auth.audit.reading import AuditReading
from falcon_auth.factors.foundations import Foundations
from falcon_auth.factors.notices import Notices
from falcon_auth.factors.upkeep import FactorUpkeep
from falcon_auth.housekeeping import Chore, Housekeeper
from falcon_auth.service.audit import activity_section, audit_chores
from falcon_auth.service.factors import factor_sections, identity_section, make_factors
from falcon_auth.service.gauges import show_state
from falcon_auth.service.groundwork import Groundwork, lay_groundwork
from falcon_auth.service.keys import show_keys
from falcon_auth.service.options import (
    registration_policy,
)
from falcon_auth.service.service import Clock, Service
from falcon_auth.settings import Settings
from falcon_auth.stores.memory.store import MemoryStore

if TYPE_CHECKING:
    from falcon_auth.providers.assembly import Providers


def build_service(settings: Settings, clock: Clock, in_memory: MemoryStore) -> Service:
    """Build the configured service; *in_memory* is the store if no database is configured.

    Raises `ConfigurationError` if the settings cannot be used.
    """
    base = lay_groundwork(settings, clock, in_memory)
    store, events = base.backend.store, base.events
    parts, foundations = _account_parts(base), _factor_foundations(base)
    factors, upkeep = make_factors(settings, foundations), FactorUpkeep(foundations)
    audit = AuditReading(store.audit)
    providers = _make_providers(base, parts)
    changes = UserChanges(store, base.mails, base.tokens, base.trail, clock=clock, events=events)
    sections = {
        **factor_sections(factors, store.factors),
        **({} if providers is None else identity_section(store.identities)),
        **activity_section(audit),
    }
    show_state(base.metrics, base.pool, base.backend)
    show_keys(base.metrics, base.keys, clock)
    return Service(
        settings=settings,
        backend=base.backend,
        registration=_registration(base, parts),
        login=_login(base),
        password_change=_password_change(base),
        life=_life(base, parts, sections),
        directory=Directory(store, clock=clock),
        user_changes=changes,
        administration=_administration(base, changes),
        roles=Roles(store.roles, settings.scopes, trail=base.trail, clock=clock, events=events),
        importing=_importing(base),
        audit=audit,
        sessions=base.sessions,
        passwords=base.passwords,
        keys=base.keys,
        codec=base.codec,
        pool=base.pool,
        housekeeper=Housekeeper(_chores(base, upkeep)),
        metrics=base.metrics,
        events=events,
        delivery=base.delivery,
        factors=factors,
        factor_upkeep=upkeep,
        providers=providers,
    )


def _account_parts(base: Groundwork) -> Parts:
    return Parts(
        store=base.backend.store,
        links=Links(base.backend.store.users, base.codec.issuer),
        sessions=base.sessions,
        passwords=base.passwords,
        rules=base.rules,
        throttle=base.throttle,
        check=base.check,
        limits=MailLimits(base.limiter),
        mails=base.mails,
        clock=base.clock,
        trail=base.trail,
        events=base.events,
    )


def _factor_foundations(base: Groundwork) -> Foundations:
    return Foundations(
        store=base.backend.store,
        sessions=base.sessions,
        passwords=base.check,
        throttle=base.throttle,
        challenges=base.challenges,
        notices=Notices(base.mails, base.limiter, base.trail),
        only_verified=base.only_verified,
        clock=base.clock,
        trail=base.trail,
        events=base.events,
    )


def _make_providers(base: Groundwork, parts: Parts) -> Providers | None:
    if base.settings.providers_file is None:
        return None
    # Imported here: a service without providers has no use for Authlib and an HTTP client.
    from falcon_auth.service.providers import make_providers  # noqa: PLC0415

    return make_providers(base.settings, parts, base.codec.issuer, base.metrics)


def _life(base: Groundwork, parts: Parts, sections: Mapping[str, Section]) -> Life:
    if base.delivery is None:
        return make_life(parts, base.tokens, sections, None)
    life = make_life(parts, base.tokens, sections, base.delivery.dispatcher.expect)
    if life.by_mail is not None:
        base.delivery.dispatcher.add_channel(CHANNEL, life.by_mail.channel)
    return life


def _administration(base: Groundwork, changes: UserChanges) -> Administration:
    return Administration(
        base.backend.store.users,
        changes,
        base.rules,
        base.passwords,
        base.trail,
        clock=base.clock,
        events=base.events,
    )


def _importing(base: Groundwork) -> Importing:
    return Importing(
        base.backend.store.users,
        base.passwords.recognises,
        base.trail,
        clock=base.clock,
        roles=base.backend.store.roles,
    )


def _registration(base: Groundwork, parts: Parts) -> Registration:
    return Registration(parts, registration_policy(base.settings, base.mails, parts.limits))


def _login(base: Groundwork) -> PasswordLogin:
    return PasswordLogin(
        base.backend.store.users,
        base.sessions,
        base.check,
        base.trail,
        only_verified=base.only_verified,
        events=base.events,
    )


def _password_change(base: Groundwork) -> PasswordChange:
    return PasswordChange(
        base.backend.store.users,
        base.passwords,
        base.rules,
        base.check,
        base.trail,
        clock=base.clock,
        mails=base.mails,
        events=base.events,
    )


def _chores(base: Groundwork, upkeep: FactorUpkeep) -> list[Chore]:
    """Return the chores of housekeeping; capabilities that are off have none."""
    chores: list[Chore] = [
        base.sessions.sweep,
        *audit_chores(base.settings, base.backend.store.audit, base.trail, base.clock),
        *base.backend.chores,
        base.metrics.sample,
    ]
    if base.settings.has_factors or base.settings.providers_file:
        chores.append(upkeep.sweep)  # Spent challenges, and spent codes of providers.
    if base.delivery is not None:
        chores.append(base.delivery.dispatcher.ensure_running)
    return chores
