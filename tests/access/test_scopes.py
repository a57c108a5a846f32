"""The grammar of scopes, and what holds which."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falcon_auth.access.scopes import is_role_name, is_scope, lacking

# RFC 6749, 3.3: %x21 / %x23-5B / %x5D-7E.
ALLOWED = {*range(0x21, 0x7F)} - {0x22, 0x5C}


@pytest.mark.parametrize("code", [*range(0x100), 0x3B1, 0x1F600])
def test_a_scope_is_made_of_the_characters_of_rfc_6749(code):
    assert is_scope(chr(code)) == (code in ALLOWED)
    assert is_scope(f"a{chr(code)}b") == (code in ALLOWED)
    assert is_scope(f"ab{chr(code)}") == (code in ALLOWED)


def test_nothing_is_no_scope():
    assert not is_scope("")


words = st.sets(st.sampled_from(["admin", "a", "b", "c"]))


@given(words, words)
def test_who_lacks_nothing_has_all_or_admin(held, wanted):
    assert (lacking(held, wanted) == []) == (wanted <= held or "admin" in held)
    assert {*lacking(held, wanted)} <= wanted - held


@pytest.mark.parametrize("name", ["a", "admin", "a-b_c.d:e9", "a" * 50])
def test_what_can_name_a_role(name):
    assert is_role_name(name)


@pytest.mark.parametrize("name", ["", "A", "9", "-a", "a b", "a=b", 'a"b', "a\n", "ä", "a" * 51])
def test_what_cannot_name_a_role(name):
    assert not is_role_name(name)
