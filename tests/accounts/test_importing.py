"""Importing users: what is taken, what is refused and how it is told; every store alike."""

from __future__ import annotations

import io
import itertools
import json
import uuid
from dataclasses import replace

import bcrypt
import pytest
from conftest import START
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from processes import ROOT
from store_records import store_with

from falcon_auth.accounts.exporting import export_user
from falcon_auth.accounts.importing import MAX_LINE_BYTES, Importing
from falcon_auth.accounts.usernames import is_username
from falcon_auth.audit.trail import Trail
from falcon_auth.errors import (
    DuplicateEmailError,
    DuplicateUsernameError,
    StoreUnavailableError,
)
from falcon_auth.models import NO_PASSWORD, Role, User
from falcon_auth.stores.memory.store import MemoryStore
from falcon_auth.stores.memory.users import MemoryUsers

HASH = bcrypt.hashpw(b"correct horse battery", bcrypt.gensalt(4)).decode()
SECRETS = ("ada@example.com", HASH, "s3cret")


def line(email="ada@example.com", password_hash=HASH, **more):
    return json.dumps({"email": email, "password_hash": password_hash, **more}).encode()


def importing_into(store, batch):
    trail = Trail(store.audit, clock=lambda: START)
    return Importing(
        store.users, HASH.__eq__, trail, clock=lambda: START, roles=store.roles, batch=batch
    )


def run(store, *lines, batch=1000, **options):
    importing = importing_into(store, batch=batch)
    return list(importing.run(io.BytesIO(b"\n".join(lines)), **options))


def refusals(progress):
    return [(each.line, each.code, each.pointer) for part in progress for each in part.refused]


def make_user(email, username=None):
    return User(
        id=str(uuid.uuid4()),
        email=email,
        email_key=email.lower(),
        username=username,
        password_hash=HASH,
        created_at=START,
        updated_at=START,
    )


# --- What is exported


@pytest.mark.parametrize("password_hash", [HASH, NO_PASSWORD], ids=["hash", "none"])
def test_an_export_imports_as_the_same_user(store, password_hash):
    user = replace(
        make_user("Ādá@example.com", "Ada"),
        password_hash=password_hash,
        password_version=3,
        email_version=2,
        email_verified=True,
        is_active=False,
        created_at=START - 9.5,
        updated_at=START - 0.25,
        last_login_at=START - 1 / 3,
    )

    run(store, json.dumps(export_user(user)).encode())

    assert store.users.find(user.id) == replace(user, email_key=store.users.find(user.id).email_key)


def test_roles_are_exported_and_imported_where_they_are_defined(store):
    store.roles.define(Role("editor", ("notes:write",)))
    user = replace(make_user("ada@example.com"), roles=("admin", "editor"))
    exported = json.dumps(export_user(user)).encode()

    progress = run(store, exported, line("eve@example.com", roles=["editor", "unheard-of"]))

    assert refusals(progress) == [(2, "UNKNOWN_ROLE", "/roles")]
    assert store.users.find(user.id).roles == ("admin", "editor")
    assert store.users.find(user.id).scopes == {"admin", "notes:write"}


def test_an_id_that_is_taken_is_a_user_who_is_there_already(store):
    run(store, line(id="6f1c3c7e-2f0e-4b52-9d55-0d2a6f1a9a41"))

    again = line("eve@example.com", id="6f1c3c7e-2f0e-4b52-9d55-0d2a6f1a9a41")
    (progress,) = run(store, again, line("bob@example.com"))

    assert refusals([progress]) == [(1, "DUPLICATE_EMAIL", "")]
    assert progress.added == 1


def test_an_id_is_taken_once_of_a_batch():
    store = MemoryStore()
    twice = [line(f"{name}@example.com", id=str(uuid.UUID(int=7))) for name in ("ada", "eve")]

    assert refusals(run(store, *twice)) == [(2, "DUPLICATE_EMAIL", "/id")]


# --- What is taken


def test_all_that_a_line_says_is_kept(store):
    more = {"created_at": 1_600_000_000.5, "last_login_at": "2024-05-01T12:00:00+02:00"}

    (progress,) = run(store, line("Ada@EXAMPLE.com", username="Ada", is_active=False, **more))

    assert (progress.line, progress.added, progress.refused) == (1, 1, ())
    user = store.users.find_by_email("ada@example.com")
    assert (user.email, user.username, user.is_active) == ("Ada@example.com", "Ada", False)
    assert (user.created_at, user.last_login_at) == (1_600_000_000.5, 1_714_557_600.0)
    assert (user.password_hash, user.password_version, user.updated_at) == (HASH, 0, START)
    assert uuid.UUID(user.id).version == 4


def test_an_imported_user_needs_only_an_address_and_a_hash(store):
    run(store, line(username=None, created_at=None))

    user = store.users.find_by_email("ada@example.com")
    assert (user.username, user.is_active, user.created_at) == (None, True, START)
    assert user.last_login_at is None


def test_blank_lines_count_but_are_nothing(store):
    progress = run(store, b"", line(), b" \t\r", b"{", b"")

    assert refusals(progress) == [(4, "MALFORMED_JSON", "")]
    assert progress[0].added == 1


def test_importing_an_empty_source_yields_no_progress(store):
    assert run(store) == []


# --- What is refused


@pytest.mark.parametrize(
    ("text", "code", "pointer"),
    [
        (b"s3cret", "MALFORMED_JSON", ""),
        (b"\xff", "MALFORMED_JSON", ""),
        (b'{"email": "s3cret", "email": "x"}', "MALFORMED_JSON", ""),
        (b"[" * 5000, "MALFORMED_JSON", ""),
        (b'["s3cret"]', "VALIDATION_FAILED", ""),
        (line(password="s3cret"), "UNKNOWN_MEMBER", "/password"),
        (line(**{"a/~" + "b" * 99: 1}), "UNKNOWN_MEMBER", "/a~1~0" + "b" * 61),
        (b'{"email": "ada@example.com"}', "MISSING_MEMBER", "/password_hash"),
        (b"{}", "MISSING_MEMBER", "/email"),
        (line(id="s3cret"), "VALIDATION_FAILED", "/id"),
        (line(id=7), "VALIDATION_FAILED", "/id"),
        (line(email_verified="s3cret"), "VALIDATION_FAILED", "/email_verified"),
        (line("s3cret"), "INVALID_EMAIL", "/email"),
        (line(None), "INVALID_EMAIL", "/email"),
        (line("ada@example.com\0"), "INVALID_EMAIL", "/email"),
        (line("\ud800@example.com"), "INVALID_EMAIL", "/email"),
        (line(username="s3"), "VALIDATION_FAILED", "/username"),
        (line(username="s3cret\n"), "VALIDATION_FAILED", "/username"),
        (line(username=7), "VALIDATION_FAILED", "/username"),
        (line(roles="admin"), "VALIDATION_FAILED", "/roles"),
        (line(roles=["admin", 7]), "VALIDATION_FAILED", "/roles"),
        (line(password_hash="s3cret"), "HASH_NOT_ACCEPTED", "/password_hash"),
        (line(email_verified=1), "VALIDATION_FAILED", "/email_verified"),
        (line(password_version=-1), "VALIDATION_FAILED", "/password_version"),
        (line(email_version=True), "VALIDATION_FAILED", "/email_version"),
        (line(is_active="yes"), "VALIDATION_FAILED", "/is_active"),
        (line(is_active=None), "VALIDATION_FAILED", "/is_active"),
        (line(created_at=-1), "VALIDATION_FAILED", "/created_at"),
        (line(created_at=START + 1), "VALIDATION_FAILED", "/created_at"),
        (line(created_at=True), "VALIDATION_FAILED", "/created_at"),
        (line(created_at=10**400), "VALIDATION_FAILED", "/created_at"),
        (line(created_at="2024-05-01T12:00:00"), "VALIDATION_FAILED", "/created_at"),
        (line(created_at="s3cret"), "VALIDATION_FAILED", "/created_at"),
        (line(last_login_at=[]), "VALIDATION_FAILED", "/last_login_at"),
        (b'"' + b"x" * MAX_LINE_BYTES + b'"', "LINE_TOO_LONG", ""),
    ],
    ids=itertools.count(),  # The hashes in them differ each time.
)
def test_a_line_that_is_not_right_is_refused_and_the_next_is_taken(text, code, pointer):
    store = MemoryStore()

    progress = run(store, text, line("bob@example.com"))

    assert refusals(progress) == [(1, code, pointer)]
    assert [user.email for user in store.users.list_by_email(after="", limit=9)] == [
        "bob@example.com"
    ]
    assert not any(secret in repr(progress) for secret in SECRETS)


def test_of_duplicate_lines_the_first_is_imported_and_the_others_are_reported(store):
    progress = run(
        store,
        line("ada@example.com", username="ada"),
        line("ADA@example.com", username="other"),
        line("cleo@example.com", username="ADA"),
        line("bob@example.com"),
        line("bob@example.com", username="ada"),
    )

    assert refusals(progress) == [
        (2, "DUPLICATE_EMAIL", ""),
        (3, "DUPLICATE_USERNAME", ""),
        (5, "DUPLICATE_EMAIL", ""),
    ]
    users = store.users.list_by_email(after="", limit=9)
    assert [(user.email, user.username) for user in users] == [
        ("ada@example.com", "ada"),
        ("bob@example.com", None),
    ]


@pytest.mark.parametrize("tail", [b"", b"\n", b"\n" + line("bob@example.com")])
@pytest.mark.parametrize("length", [MAX_LINE_BYTES, MAX_LINE_BYTES + 1, MAX_LINE_BYTES * 3 + 3])
def test_a_line_is_read_whole_or_left_out_whole(length, tail):
    """Its rest, which might be a whole object by itself, is no line of its own."""
    inner = line("eve@example.com")
    text = b" " * (length - len(inner)) + inner
    store = MemoryStore()

    progress = run(store, text + tail)

    fits = length <= MAX_LINE_BYTES - 1 or (length == MAX_LINE_BYTES and not tail)
    assert refusals(progress) == ([] if fits else [(1, "LINE_TOO_LONG", "")])
    assert (store.users.find_by_email("eve@example.com") is not None) == fits
    assert (store.users.find_by_email("bob@example.com") is not None) == (len(tail) > 1)
    assert sum(part.size for part in progress) == len(text + tail)


@given(st.lists(st.binary(max_size=60)))
def test_nothing_that_is_read_makes_it_raise(texts):
    progress = run(MemoryStore(), *texts, batch=2)

    lines = b"\n".join(texts)
    assert sum(part.size for part in progress) == len(lines)


# --- Going on after an interruption


class Failing(MemoryUsers):
    """Users in a store that goes away at its second batch."""

    batches = 0

    def add_many(self, users, **events):
        self.batches += 1
        if self.batches == 2:
            raise StoreUnavailableError
        return super().add_many(users, **events)


def test_reported_batches_are_stored_and_the_import_can_resume():
    store = store_with(users=Failing)
    lines = [line(f"user{number}@example.com") for number in range(1, 8)]
    importing = importing_into(store, batch=3)
    steps = importing.run(io.BytesIO(b"\n".join(lines)))

    assert next(steps).line == 3
    with pytest.raises(StoreUnavailableError):
        next(steps)
    progress = run(store, *lines, batch=3, from_line=4)

    assert [(part.line, part.added) for part in progress] == [(6, 3), (7, 1)]
    assert len(store.users.list_by_email(after="", limit=99)) == 7


def test_again_from_the_first_line_adds_what_is_missing_and_changes_nothing(store):
    lines = [line(f"user{number}@example.com") for number in range(1, 6)]
    run(store, *lines[:3])
    before = store.users.list_by_email(after="", limit=9)

    progress = run(store, *lines, batch=2)

    assert sum(part.added for part in progress) == 2
    assert {code for _, code, _ in refusals(progress)} == {"DUPLICATE_EMAIL"}
    assert store.users.list_by_email(after="", limit=3) == before


# --- The stores' part


def test_add_users_says_who_was_not_added_and_why(store):
    store.users.add(make_user("ada@example.com", "ada"))
    same_email = make_user("ADA@example.com", "new")
    same_name = make_user("bob@example.com", "Ada")
    both = make_user("ada@example.com", "ada")
    fresh = make_user("cleo@example.com", "cleo")

    refused = store.users.add_many([same_email, same_name, both, fresh])

    assert refused == {
        same_email.id: DuplicateEmailError,
        same_name.id: DuplicateUsernameError,
        both.id: DuplicateEmailError,
    }
    assert store.users.find_by_email("cleo@example.com") == fresh
    assert store.users.add_many([]) == {}


def test_more_users_than_a_statement_has_parameters(store):
    users = [make_user(f"user{number:04}@example.com") for number in range(3100)]

    assert store.users.add_many(users) == {}
    assert len(store.users.list_by_email(after="user0099@example.com", limit=9999)) == 3000


def test_pages_hold_everyone_once(store):
    users = {make_user(f"user{number}@example.com") for number in range(10)}
    store.users.add_many(list(users))
    listed, after = [], ""

    while page := store.users.list_by_email(after=after, limit=3):
        assert len(page) <= 3
        listed += page
        after = page[-1].email_key

    assert len(listed) == 10
    assert set(listed) == users


@given(st.text(max_size=60) | st.from_regex(r"\A[A-Za-z0-9_]{2,51}\n?\Z"))
def test_user_names_are_what_the_schema_says(text):
    """With `$`, the schema's pattern lets a final newline pass in Python: the service does not."""
    schema = json.loads((ROOT / "schemas" / "register.json").read_text())
    valid = Draft202012Validator(schema["properties"]["username"]).is_valid(text)

    assert is_username(text) == (valid and not text.endswith("\n"))
