"""Builds the use cases of second factors from the collaborators that `service` provides."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from falcon_auth.factors.check import FactorCheck
from falcon_auth.factors.confirmation import Confirmation
from falcon_auth.factors.encryption import SecretBox
from falcon_auth.factors.enrolment import Enrolment
from falcon_auth.factors.foundations import Foundations
from falcon_auth.factors.login import FactorLogin
from falcon_auth.factors.passkey_data import RelyingParty
from falcon_auth.factors.passkeys import Passkeys
from falcon_auth.models import User
from falcon_auth.store import FactorStore


@dataclass(frozen=True, slots=True)
class Factors:
    """The use cases of second factors, if the service has them."""

    enrolment: Enrolment
    login: FactorLogin
    confirmation: Confirmation


def assemble(
    on: Foundations, box: SecretBox, party: RelyingParty, keepers: Collection[str] = ()
) -> Factors:
    """Build the use cases; *box* encrypts secrets, and *party* is the relying party of passkeys.

    *keepers* are the roles whose holders cannot remove their last factor.
    """
    passkeys = Passkeys(party)
    check = FactorCheck(on, box, passkeys)
    return Factors(
        enrolment=Enrolment(
            on,
            check,
            box,
            passkeys,
            issuer_name=party.name,
            must_keep_one=lambda user: not {*keepers}.isdisjoint(user.roles),
        ),
        login=FactorLogin(on, check, passkeys),
        confirmation=Confirmation(on, check, passkeys),
    )


def kinds_in(store: FactorStore) -> Callable[[User], list[str]]:
    """Return a function that returns the kinds of factors a user can use, for `Challenges`."""

    def kinds_of(user: User) -> list[str]:
        holder = store.find_holder(user.id)
        if holder is None:  # pragma: no cover - deleted in between, which only a race reaches
            return []
        usable = {"totp": holder.of_kind("totp"), "passkey": holder.of_kind("passkey")}
        return [
            *(kind for kind, factors in usable.items() if factors),
            *(["recovery_code"] if holder.code_hashes else []),
        ]

    return kinds_of
