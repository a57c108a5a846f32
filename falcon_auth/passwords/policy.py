"""Which passwords are accepted: NIST SP 800-63B-4, section 3.1.1.2."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from falcon_auth.passwords.guessing import Guessing

MAX_PASSWORD_LENGTH = 128
# No address is longer (RFC 5321), nor a user name. Folding is quadratic in runs of combining
# characters, and a body that breaks its schema comes here too, to have every violation told.
MAX_IDENTITY_LENGTH = 254


def normalise(password: str) -> str:
    """Return the form that is compared and hashed, NFKC: keyboards differ in what they send.

    Takes time quadratic in the length at worst: check that first.
    """
    return unicodedata.normalize("NFKC", password)


@dataclass(frozen=True, slots=True)
class PasswordPolicy:
    """Refuses short and common passwords and the user's own names; *complex* wants four classes.

    The four classes are not the default because NIST is against asking for them: people meet
    them in predictable ways.
    """

    min_length: int = 8
    complex: bool = False
    guessing: Guessing = field(default_factory=Guessing)

    def faults(self, password: str, *, email: str | None, username: str | None) -> list[str]:
        """Return one sentence for each rule that *password* breaks; empty if it breaks none.

        Never raises, whatever the arguments hold, lone surrogates included; and no sentence holds
        any of them. Length is counted in code points as sent, all else after NFKC.
        """
        if len(password) > MAX_PASSWORD_LENGTH:
            return [f"The password may have {MAX_PASSWORD_LENGTH} characters at most."]
        return list(self._faults(normalise(password), len(password), email, username))

    def _faults(
        self,
        password: str,
        length_sent: int,
        email: str | None,
        username: str | None,
    ) -> Iterator[str]:
        if length_sent < self.min_length:
            yield f"The password must have {self.min_length} characters or more."
        if self.guessing.is_common(password):
            yield "The password is among the most common ones, or follows a common pattern."
        folded = password.casefold()
        if folded == _folded_identity(email):
            yield "The password must not be the e-mail address."
        if folded == _folded_identity(username):
            yield "The password must not be the user name."
        if self.complex:
            for has_class, name in _CLASSES:
                if not any(map(has_class, password)):
                    yield f"The password must have {name}."


def _is_symbol(character: str) -> bool:
    """Whether Unicode files it under punctuation, symbols or separators (the space, say)."""
    return unicodedata.category(character)[0] in "PSZ"


_CLASSES: tuple[tuple[Callable[[str], bool], str], ...] = (
    (str.isupper, "an upper-case letter"),
    (str.islower, "a lower-case letter"),
    (str.isdecimal, "a digit"),
    (_is_symbol, "a symbol"),
)


def _folded_identity(identity: str | None) -> str | None:
    """Return *identity* in the form passwords are compared in; None if it cannot be one."""
    if identity is None or len(identity) > MAX_IDENTITY_LENGTH:
        return None
    return normalise(identity).casefold()
