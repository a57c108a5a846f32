"""Which passwords are accepted: NIST SP 800-63B-4, section 3.1.1.2."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

MAX_PASSWORD_LENGTH = 128
# No address is longer (RFC 5321), nor a user name. Folding is quadratic in runs of combining
# characters, and a body that breaks its schema comes here too, to have every breach told.
MAX_IDENTITY_LENGTH = 254


def normalise(password: str) -> str:
    """Return the form that is compared and hashed, NFKC: keyboards differ in what they send.

    Takes time quadratic in the length at worst: check that first.
    """
    return unicodedata.normalize("NFKC", password)


@dataclass(frozen=True, slots=True)
class PasswordPolicy:
    """Length, the common-password list, and the user's own names; *complex* adds four classes.

    The four classes are not the default because NIST is against asking for them: people meet
    them in predictable ways.
    """

    min_length: int = 8
    complex: bool = False

    def faults(self, password: str, *, email: str | None, username: str | None) -> list[str]:
        """Say what is wrong with *password*, a sentence each; an empty list if nothing is.

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
        folded = password.casefold()
        if folded in _common_passwords():
            yield "The password is among the most common ones."
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


@cache
def _common_passwords() -> frozenset[str]:
    """Return the 30,000 most common passwords, case-folded, from the `zxcvbn` package."""
    # Imported at the first use: it takes some 30 ms and 14 MB, which a command that asks for no
    # password need not pay.
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # noqa: PLC0415 - see above.

    return frozenset(map(str.casefold, FREQUENCY_LISTS["passwords"]))
