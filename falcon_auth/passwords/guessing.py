"""Detects passwords that a guesser would try early.

NIST SP 800-63B-4, 3.1.1.2: a password is compared with a list of those that are "commonly used,
expected, or compromised", words of the context included. The list of the `zxcvbn` package lacks
what its matchers find (00000000, 87654321, 123123123), so both are used here. The matchers know
words forwards, backwards and with letters replaced (p@ssw0rd), rows of keys, repeats, sequences and
dates, and the package estimates after how many guesses an attacker who knows them all arrives at a
password (D. L. Wheeler, "zxcvbn: Low-Budget Password Strength Estimation", USENIX Security 2016).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

# By default the throttle lets 100 wrong guesses a minute at one account through, from all addresses
# together: this many take most of a day. Measured with 3,000 each, it refuses none of 8 random
# letters and digits, of 8 random small letters, of phrases of two words and more; 0.2 % of
# two common words without a space, and 0.6 % of 8 random digits, many of which are dates.
ENOUGH_GUESSES = 100_000
# Matching takes time that grows with the cube of the length, so a text is judged in pieces; it is
# as hard to guess as its hardest one, at least. Measured, in processor time: 0.15 ms for 8 random
# characters, 0.9 ms for a phrase of any length, 3 ms for a piece that is made to take long, and
# 8 ms for 128 characters of such pieces.
PIECE = 24
MAX_JUDGED = 3 * PIECE  # Characters after NFKC. What has no hard piece until there is refused.
# A text of many symbols that may each stand for several letters can be read in up to 576 ways, and
# every one would be looked up. Nobody's favourite password has more than eight.
MAX_READINGS = 8
# The package knows years up to 2019. The recent ones come first, as in passwords.
YEARS = tuple(map(str, range(2040, 1939, -1)))
MIN_CONTEXT_WORD = 4  # Letters.
_URL = re.compile(r"https?://([^/?#:]*)")
_WORD = re.compile(r"[^\W_]+")

Ranked = Mapping[str, int]  # Words by their rank, from 1.


def words_of(*names: str | None) -> list[str]:
    """Return the words that people derive from a service's *names*, such as `falconauth`.

    Of a URL the labels of its host count. Words of less than four letters are left out.
    """
    words = []
    for name in filter(None, names):
        url = _URL.match(name)
        for label in (url[1] if url else name).lower().split("."):
            parts = _WORD.findall(label)
            words += [*parts, *(joint.join(parts) for joint in ("", " ", "-", "_"))]
    return [word for word in dict.fromkeys(words) if len(word) >= MIN_CONTEXT_WORD]


class Guessing:
    """Judges passwords. *names* are those of the service, which suggest themselves; None is none.

    Safe to call from any thread. The first judgement takes 40 ms and 19 MB, for the lists, which
    a start, or a command that asks for no password, need not wait for.
    """

    def __init__(self, *names: str | None) -> None:
        words = dict.fromkeys((*words_of(*names), *YEARS))
        self._context = {word: rank for rank, word in enumerate(words, 1)}

    def is_common(self, password: str) -> bool:
        """Whether *password*, in NFKC, is among the first 100,000 guesses or so.

        Case does not matter for what is on the list of the most common 30,000. Never raises.
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
    words: Ranked  # Those of all its lists: passwords, English, films and television, names.
    estimate: Callable[[str, Mapping[str, Ranked]], int]


@cache
def _zxcvbn() -> _Library:
    """Load the package. Its own function `zxcvbn` keeps the caller's words for all threads."""
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
    # The second looks for all the others in what is repeated, the first among them.
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
