"""What is guessed first is refused; what somebody thought up, or a generator made, is not."""

from __future__ import annotations

import random
import string
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from falcon_auth.passwords.guessing import MAX_JUDGED, PIECE, Guessing, words_of

guessing = Guessing("Falcon Auth", "https://login.acme-shop.example/tenant")

COMMON = {
    "repeats": "00000000 aaaaaaaa 88888888 zzzzzzzz 123123123 12341234 abcabcabc abababab 20202020"
    " asdasdasd passwordpassword password12password12",
    "sequences": "87654321 987654321 0123456789 abcdefgh zyxwvuts 13579135 abcdefg1 1234abcd"
    " 12345678910 123456780 12345678a a12345678",
    "rows of keys": "qwertyuiop qwertzuiop azertyuiop asdfghjkl zxcvbnm, poiuytrewq 1qaz2wsx"
    " zaq1xsw2 q1w2e3r4t5 1q2w3e4r !QAZ2wsx 147258369 741852963 789456123 147896325 !@#$%^&*()",
    "years and dates": "19901990 19901991 20242025 20252026 19900101 01011990 31121999 1990-01-01"
    " 31/12/1999 10.10.2010 2025-01-31",
    "words": "iloveyou1 sunshine7 drowssap P@ssw0rd Passw0rd! Password123! Welcome2025 "
    " november2024 letmein1 Football1 admin123 Qwerty1! abcd1234 Fred1234 parliament",
    "the service's name": "falconauth Falcon-Auth falcon_auth1 Falcon2025 acmeshop acme-shop1"
    " login2025",
}


@pytest.mark.parametrize(
    "password", [each for several in COMMON.values() for each in several.split()]
)
def test_a_pattern_or_a_word_with_a_digit_is_common(password):
    assert guessing.is_common(password)


def test_every_password_of_a_top_list_is_common_in_any_case():
    """The 30,000 most common ones, as far as they have 8 characters."""
    top = [each for each in FREQUENCY_LISTS["passwords"] if len(each) >= 8]

    assert len(top) > 11_000
    assert [each for each in top if not guessing.is_common(each)] == []
    assert [each for each in top if not guessing.is_common(each.title())] == []


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery",
        "correct horse battery staple",
        "staple battery horse",
        "internationally recommendations",
        "kestrels",
        "fourteen chars",
        "Str0ngP@ss",
        "SecurePass123!",
        "Éperv\u0456er٣€",
        "鷹は空を高く飛ぶ",
        "🦅 🦉🦆 🐦 🦅",
    ],
)
def test_what_somebody_thought_up_is_not_common(password):
    assert not guessing.is_common(password)


ENGLISH = [word for word in FREQUENCY_LISTS["english_wikipedia"][:7776] if len(word) > 2]
MAKERS = {
    "8 letters and digits": lambda rnd: "".join(
        rnd.choices(string.ascii_letters + string.digits, k=8)
    ),
    "8 small letters": lambda rnd: "".join(rnd.choices(string.ascii_lowercase, k=8)),
    "20 of any sort": lambda rnd: "".join(rnd.choices(string.printable[:94], k=20)),
    "2 words": lambda rnd: " ".join(rnd.choices([w for w in ENGLISH if len(w) > 3], k=2)),
    "3 words joined": lambda rnd: "".join(rnd.choices(ENGLISH, k=3)),
    "6 words": lambda rnd: " ".join(rnd.choices(ENGLISH, k=6)),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_of_hundreds_of_random_passwords_at_most_one_is_refused(make):
    rnd = random.Random(8)  # noqa: S311 - the same ones in every run

    refused = [each for each in (make(rnd) for _ in range(300)) if guessing.is_common(each)]

    assert len(refused) <= 1, refused


def test_the_words_of_a_service_are_its_name_in_every_spelling_and_its_host():
    assert words_of("Falcon Auth", None, "https://id.acme-shop.example:8443/x") == [
        "falcon",
        "auth",
        "falconauth",
        "falcon auth",
        "falcon-auth",
        "falcon_auth",
        "acme",
        "shop",
        "acmeshop",
        "acme shop",
        "acme-shop",
        "acme_shop",
        "example",
    ]


@given(st.text() | st.text().map("https://{}".format))
def test_no_name_of_a_service_raises(name):
    assert all(len(word) >= 4 for word in words_of(name, "https://[", None))


def test_another_service_s_name_is_nothing_special():
    assert Guessing("kestrelworks").is_common("Kestrelworks1")
    assert not Guessing().is_common("Kestrelworks1")


# --- Long texts


@pytest.mark.parametrize("length", [PIECE, PIECE + 1, MAX_JUDGED, 128])
@pytest.mark.parametrize("unit", ["x", "ab", "123", "password"])
def test_repeats_of_any_length_are_common(unit, length):
    assert guessing.is_common((unit * length)[:length])


def test_a_text_is_as_hard_to_guess_as_its_hardest_piece():
    assert guessing.is_common("a" * PIECE + "b" * PIECE)
    assert not guessing.is_common("a" * PIECE + "correct horse battery")


def test_nothing_is_looked_up_in_hundreds_of_ways():
    """The time limit of the test is the assertion: unbounded, one of them takes half a second."""
    ambiguous = "4@8({[<369!|10$5+7%2"
    rnd = random.Random(8)  # noqa: S311 - the same ones in every run

    for _ in range(300):
        assert not guessing.is_common("".join(rnd.choices(ambiguous, k=128)))


@given(st.text(st.characters(), max_size=140))
@example("")
@example("\ud800" * 9)
@example("١٢/١٢/١٩٩٠")
@example("\u00b2" * 8)
def test_no_text_raises(text):
    assert guessing.is_common(text) in (True, False)


# --- The package behind it


def test_a_caller_s_words_are_not_kept_for_others():
    """zxcvbn's own entry point would: it writes them into a dictionary that all threads share."""
    assert Guessing("quetzalcoatlus").is_common("quetzalcoatlus7")

    assert not Guessing().is_common("quetzalcoatlus7quetzalcoatlus7")


def test_threads_may_judge_at_once():
    at_once = threading.Barrier(8)

    def judge(number):
        at_once.wait(10)
        return Guessing(f"kestrelworks{number}").is_common(f"Kestrelworks{number}")

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(judge, range(8)))


def test_the_lists_are_not_loaded_at_import():
    """They take some 40 ms and 20 MB, which start-up need not wait for."""
    script = (
        "import sys; from falcon_auth.passwords import Guessing; Guessing();"
        "sys.exit('zxcvbn' in sys.modules)"
    )

    subprocess.run([sys.executable, "-c", script], check=True)
