"""What is written as JSON: anything plain, never a record as a whole."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falcon_auth.models import User
from falcon_auth.strict_json import dump_json

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(plain)
def test_plain_values_survive(value):
    assert json.loads(dump_json(value)) == value


@pytest.mark.parametrize("value", ["\ud800", {"\udfff": 1}, 2**70], ids=["high", "name", "large"])
def test_what_the_quick_writer_refuses_is_written_too(value):
    """A lone surrogate can come in through JSON's escapes; a log line or an error must not fail."""
    assert json.loads(dump_json(value)) == value


def test_no_line_break_is_left_in_a_text():
    """A log line stays one, whatever an event holds."""
    assert b"\n" not in dump_json({"a\r\n": "b\r\n\x1b"})


def test_a_record_is_not_written_as_a_whole():
    """It holds a password hash, which a resource might otherwise hand out by mistake."""
    user = User(
        id="1",
        email="ada@example.com",
        email_key="ada@example.com",
        username=None,
        password_hash="a hash",
        created_at=0.0,
        updated_at=0.0,
    )

    with pytest.raises(TypeError):
        dump_json({"user": user})
    with pytest.raises(TypeError):
        dump_json(datetime.now(UTC))


def test_a_default_describes_what_json_has_no_type_for():
    assert dump_json([{1}], default=sorted) == b"[[1]]"
    assert json.loads(dump_json(["\ud800", {1}], default=sorted)) == ["\ud800", [1]]
