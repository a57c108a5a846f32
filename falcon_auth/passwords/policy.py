"""Which passwords are accepted: NIST SP 800-63B-4, section 3.1.1.2."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from falcon_auth.passwords.guessing import Guessing

MAX_PASSWORD_LENGTH = 128
# No address (RFC 5321) or user name is longer. Folding takes quadratic time for runs of combining
# characters, and bodies that violate their schema are checked here too, so that every violation is
# reported.
MAX_IDENTITY_LENGTH = 254


def normalise(password: str) -> str:
    """Return the NFKC form, which is compared and hashed, since keyboards send different ones.

    Takes quadratic time at worst, so check the length first.
    """
    return unicodedata.normalize("NFKC", password)


@dataclass(frozen=True, slots=True)
class PasswordPolicy:
    """Refuses short and common passwords, and the user's own names; *complex* adds four classes.

    The character classes are not required by default, because NIST advises against them: people
    satisfy them in predictable ways.
    """

    min_length: int = 8
    complex: bool = False
    guessing: Guessing = field(default_factory=Guessing)

    def faults(self, password: str, *, email: str | None, username: str | None) -> list[str]:
        """Return one sentence for each rule that *password* violates; empty if there is none.

        Never raises, even for lone surrogates, and no sentence quotes an argument. Length is
        counted in code points as sent; the other rules apply to the NFKC form.
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
    """Whether Unicode classifies it as punctuation, a symbol or a separator (such as a space)."""
    return unicodedata.category(character)[0] in "PSZ"


_CLASSES: tuple[tuple[Callable[[str], bool], str], ...] = (
    (str.isupper, "an upper-case letter"),
    (str.islower, "a lower-case letter"),
    (str.isdecimal, "a digit"),
    (_is_symbol, "a symbol"),
)


def _folded_identity(identity: str | None) -> str | None:
    """Return *identity* in the form used for comparison; None if it cannot be a name or address."""
    if identity is None or len(identity) > MAX_IDENTITY_LENGTH:
        return None
    return normalise(identity).casefold()
