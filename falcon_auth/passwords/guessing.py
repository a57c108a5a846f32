"""Detects passwords that an attacker would guess early.

NIST SP 800-63B-4, 3.1.1.2, requires a password to be compared with a list of values "commonly used,
expected, or compromised", including context-specific words. The list of the `zxcvbn` package lacks
some that its matchers find (00000000, 87654321, 123123123), so both are used here. The matchers
recognise words, also backwards and with substituted letters (p@ssw0rd), keyboard patterns, repeats,
sequences and dates; the package estimates how many guesses an attacker who uses them all needs for
a password (D. L. Wheeler, "zxcvbn: Low-Budget Password Strength Estimation", USENIX Security 2016).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

# By default the throttle allows 100 wrong guesses per minute and account from all addresses
# together, so this many take most of a day. Measured with 3,000 passwords of each kind, it refuses
# no 8 random letters and digits, no 8 random lower-case letters and no phrases of two words or
# more; it refuses 0.2 % of two common words without a space, and 0.6 % of 8 random digits, many of
# which are dates.
ENOUGH_GUESSES = 100_000
# Matching takes time cubic in the length, so a password is judged in pieces; it is at least as hard
# to guess as its hardest piece. Measured processor time: 0.15 ms for 8 random characters, 0.9 ms
# for a phrase of any length, 3 ms for a piece designed to take long, and 8 ms for 128 characters of
# such pieces.
PIECE = 24
MAX_JUDGED = 3 * PIECE  # Characters after NFKC. Without a hard piece up to there, it is refused.
# A password with many symbols that may each stand for several letters can be read in up to 576
# ways, each of which would be looked up. Realistic ones have at most eight.
MAX_READINGS = 8
# The package knows years up to 2019. Recent years come first, because they are the most common.
YEARS = tuple(map(str, range(2040, 1939, -1)))
MIN_CONTEXT_WORD = 4  # Letters.
_URL = re.compile(r"https?://([^/?#:]*)")
_WORD = re.compile(r"[^\W_]+")

Ranked = Mapping[str, int]  # Words by their rank, from 1.


def words_of(*names: str | None) -> list[str]:
    """Return the words that people derive from a service's *names*, such as `falconauth`.

    For a URL, these are the labels of its host. Words of fewer than four letters are omitted.
    """
    words = []
    for name in filter(None, names):
        url = _URL.match(name)
        for label in (url[1] if url else name).lower().split("."):
            parts = _WORD.findall(label)
            words += [*parts, *(joint.join(parts) for joint in ("", " ", "-", "_"))]
    return [word for word in dict.fromkeys(words) if len(word) >= MIN_CONTEXT_WORD]


class Guessing:
    """Judges passwords. *names* are the service's, which are obvious guesses; None is ignored.

    Safe to call from any thread. The lists are loaded for the first password, which takes 40 ms and
    19 MB, so that start-up, and commands without a password, do not wait for them.
    """

    def __init__(self, *names: str | None) -> None:
        words = dict.fromkeys((*words_of(*names), *YEARS))
        self._context = {word: rank for rank, word in enumerate(words, 1)}

    def is_common(self, password: str) -> bool:
        """Whether *password*, in NFKC, is among the first 100,000 guesses or so.

        The list of the 30,000 most common passwords is compared without regard to case. Never
        raises.
        """
        library = _zxcvbn()
        if password.casefold() in library.passwords:
            return True
        dictionaries = {"words": library.words, "context": self._context}
        judged = password[:MAX_JUDGED]
        pieces = [judged[start : start + PIECE] for start in range(0, len(judged), PIECE)]
        return bool(pieces) and all(
            library.estimate(piece, dictionaries) < ENOUGH_GUESSES for piece in pieces
        )


@dataclass(frozen=True, slots=True)
class _Library:
    """The parts of the zxcvbn package that are used here."""

    passwords: Ranked
    words: Ranked  # From all its lists: passwords, English, films and television, names.
    estimate: Callable[[str, Mapping[str, Ranked]], int]


@cache
def _zxcvbn() -> _Library:
    """Load the package. Its own function `zxcvbn` would share the caller's words among threads."""
    from zxcvbn import matching  # noqa: PLC0415 - takes time and memory, see `Guessing`.
    from zxcvbn.scoring import most_guessable_match_sequence  # noqa: PLC0415 - as above.

    simple = (
        matching.dictionary_match,
        matching.reverse_dictionary_match,
        matching.spatial_match,
        matching.sequence_match,
        matching.regex_match,
        matching.date_match,
    )
    # The second applies all the others, including the first, to what is repeated.
    ambiguous = (*simple, matching.l33t_match, matching.repeat_match)

    def estimate(piece: str, dictionaries: Mapping[str, Ranked]) -> int:
        readings = matching.relevant_l33t_subtable(piece, matching.L33T_TABLE).values()
        few = math.prod(map(len, readings)) <= MAX_READINGS
        found: list[Any] = []
        for match in ambiguous if few else simple:
            found += match(piece, _ranked_dictionaries=dictionaries)
        guesses: int = most_guessable_match_sequence(piece, found)["guesses"]
        return guesses

    lists: Mapping[str, Ranked] = matching.RANKED_DICTIONARIES
    words: dict[str, int] = {}
    for ranked in lists.values():
        for word, rank in ranked.items():
            words[word] = min(rank, words.get(word, rank))
    return _Library(lists["passwords"], words, estimate)
