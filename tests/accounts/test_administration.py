"""Administration of users over the API, and attempts to get more out of it than was granted."""

import base64
import math
import struct
import uuid

import pytest
from conftest import EMAIL, PASSWORD, outcome
from factor_records import activate, new_passkey
from life_words import NEW_PASSWORD, reset
from store_records import new_user

from falcon_auth.models import Role

USERS = "/api/v1/admin/users"
ROOT = "root@example.com"
NOBODY = "6f1c3c7e-2f0e-4b52-9d55-0d2a6f1a9a41"


class Desk:
    """An administrator's desk: requests in the name of somebody with the given roles."""

    def __init__(self, client):
        self.client = client
        self.store = client.app.service.store
        self.tokens = {}

    def role(self, name, *scopes):
        self.store.roles.define(Role(name, tuple(sorted(scopes))))

    def log_in(self, email, *roles):
        """Register somebody with these roles; later requests are in their name."""
        registered = self.client.register(email)
        user_id = registered.json["user"]["id"]
        self.store.roles.change(user_id, grant=roles, now=self.now)
        self.tokens[user_id] = self.actor = registered.json["access_token"]
        self.actor_id = user_id
        return user_id

    @property
    def now(self):
        return self.client.app.service.housekeeper and self.client.clock()

    def act_as(self, user_id):
        self.actor, self.actor_id = self.tokens[user_id], user_id

    def send(self, method, path="", **kwargs):
        return self.client.as_user(method, f"{USERS}{path}", self.actor, **kwargs)

    def find(self, **params):
        return self.send("GET", params=params)

    def shown(self, **params):
        """The names before the @ of the users that are found."""
        answer = self.find(**params)
        assert answer.status_code == 200, answer.json
        return [user["email"].partition("@")[0] for user in answer.json["users"]]

    def patch(self, user_id, **members):
        return self.send("PATCH", f"/{user_id}", json=members)

    def invite(self, email, **more):
        return self.send("POST", json={"email": email, **more})

    def stored(self, user_id):
        return self.store.users.find(user_id)

    def audited(self, count):
        """The last events of the audit trail, oldest first, without who and when."""
        newest = self.store.audit.list_newest(limit=count)
        return [(each.event, each.subject, dict(each.details)) for each in reversed(newest)]


def desk_of(client, clock):
    client.clock = clock
    desk = Desk(client)
    desk.log_in(ROOT, "admin")
    return desk


@pytest.fixture
def desk(client, clock):
    return desk_of(client, clock)


@pytest.fixture
def ada(desk):
    """Somebody without roles: the id."""
    return desk.client.register(username="ada").json["user"]["id"]


def add_users(desk, count, **more):
    added = [new_user(f"user{n:03}", created_at=1.0 + n, **more) for n in range(count)]
    desk.store.users.add_many(added)
    return added


def pages(desk, **params):
    """Follow the pages to the end."""
    found, after = [], None
    while True:
        answer = desk.find(**params, **({} if after is None else {"after": after})).json
        found += answer["users"]
        after = answer["next"]
        if after is None:
            return found


# --- Finding users


def test_users_are_listed_with_roles_and_the_number_of_factors(desk, ada):
    listed = desk.find().json

    assert {user["id"] for user in listed["users"]} == {ada, desk.actor_id}
    by_id = {user["id"]: user for user in listed["users"]}
    assert (by_id[desk.actor_id]["roles"], by_id[ada]["roles"]) == (["admin"], [])
    assert (by_id[ada]["factors"], listed["next"]) == (0, None)


def test_a_page_has_fifty_users_and_up_to_two_hundred(desk):
    add_users(desk, 250)

    assert len(desk.find().json["users"]) == 50
    assert len(desk.find(limit=200).json["users"]) == 200
    assert len(desk.find(limit="1").json["users"]) == 1


def test_following_the_pages_shows_everybody_once(desk):
    added = add_users(desk, 120)

    for limit in (7, 50, 200):
        found = [user["id"] for user in pages(desk, limit=limit)]
        assert sorted(found) == sorted([*(user.id for user in added), desk.actor_id])


def test_users_are_found_by_a_part_of_address_or_name_in_any_case(desk, ada):
    desk.client.register("Grace.Hopper@Example.com", username="amazing")

    assert desk.shown(query="ADA") == ["ada"]
    assert desk.shown(query="hopper@EX") == ["Grace.Hopper"]
    assert desk.shown(query="AmaZ") == ["Grace.Hopper"]
    assert sorted(desk.shown(query="example.com")) == ["Grace.Hopper", "ada", "root"]


def test_a_query_is_compared_as_addresses_are(desk):
    """By the same normal form: full-width letters and capitals are one."""
    desk.client.register("jürgen@example.com")

    assert desk.shown(query="JÜRGEN") == ["jürgen"]
    assert desk.shown(query="ju\u0308r") == ["jürgen"]
    assert desk.shown(query="\uff4aürgen") == ["jürgen"]


@pytest.mark.parametrize("query", ["%", "_", "a_a", "\\", "*", "'", '"; DROP TABLE users; --'])
def test_no_character_of_a_query_is_special(desk, ada, query):
    assert desk.shown(query=query) == []


def test_users_are_found_by_role_and_state(desk, ada):
    desk.patch(ada, is_active=False)

    assert desk.shown(role="admin") == ["root"]
    assert desk.shown(role="unheard-of") == []
    assert desk.shown(active="false") == ["ada"]
    assert desk.shown(active="true") == ["root"]
    assert desk.shown(active="true", query="ada") == []


def test_a_parameter_without_a_value_is_422(desk):
    for name in ("query", "active", "limit", "after"):
        assert outcome(desk.find(**{name: ""})) == (422, "VALIDATION_FAILED"), name


@pytest.mark.parametrize(
    ("params", "pointer"),
    [
        ("limit=0", "/limit"),
        ("limit=201", "/limit"),
        ("limit=-1", "/limit"),
        ("limit=1.0", "/limit"),
        ("limit=%D9%A5", "/limit"),  # An Arabic five.
        ("limit=1&limit=2", "/limit"),
        ("active=yes", "/active"),
        ("active=1", "/active"),
        ("query=%00", "/query"),
        ("query=a%0A", "/query"),
        (f"query={'a' * 255}", "/query"),
        (f"role={'a' * 51}", "/role"),
        ("rol=admin", "/rol"),
        ("rol=a&rol=b", "/rol"),
        ("a%2Fb=1", "/a~1b"),
        ("after=x", "/after"),
    ],
)
def test_a_query_string_that_is_not_understood_is_refused(desk, params, pointer):
    """What was misspelt must not list everybody."""
    answer = desk.send("GET", query_string=params)

    assert outcome(answer) == (422, "VALIDATION_FAILED")
    assert [each["pointer"] for each in answer.json["errors"]] == [pointer]


def cursor_at(created_at, user_id=NOBODY):
    packed = struct.pack(">d16s", created_at, uuid.UUID(user_id).bytes)
    return base64.urlsafe_b64encode(packed).decode()


def test_what_is_not_a_cursor_is_refused(desk):
    add_users(desk, 3)
    cursor = desk.find(limit=1).json["next"]
    not_cursors = [
        cursor[:-1],
        cursor + "A",
        cursor + "\n",
        cursor + "=",
        "+/" + cursor[2:],
        "é" + cursor[1:],
        *(cursor_at(each) for each in (math.nan, math.inf, -math.inf)),
        "x" * 33,
    ]

    for each in not_cursors:
        answer = desk.find(after=each)
        assert outcome(answer) == (422, "VALIDATION_FAILED"), each
        assert answer.json["errors"][0]["pointer"] == "/after"
        assert each not in answer.text


def test_a_cursor_that_somebody_made_up_shows_no_more_than_the_list(desk):
    """It is a place in the order, and nothing else."""
    added = add_users(desk, 3)

    assert desk.shown(after=cursor_at(2.5)) == ["user001", "user000"]
    assert desk.shown(after=cursor_at(1e300)) == ["root", "user002", "user001", "user000"]
    assert desk.shown(after=cursor_at(-1e300)) == []
    assert desk.shown(after=cursor_at(2.0, added[1].id)) == ["user000"]


def test_a_query_stays_out_of_the_log(desk, logged):
    desk.find(query="ada.lovelace")

    assert "lovelace" not in logged.text


# --- One user


def test_a_user_is_shown_with_the_factors(desk, ada):
    passkey = add_passkey(desk, ada)

    shown = desk.send("GET", f"/{ada}").json

    assert (shown["id"], shown["roles"], shown["username"]) == (ada, [], "ada")
    assert [(each["id"], each["kind"]) for each in shown["factors"]] == [(passkey.id, "passkey")]
    assert "public_key" not in str(shown)
    assert desk.find(query=EMAIL).json["users"][0]["factors"] == 1


def add_passkey(desk, user_id):
    user = desk.stored(user_id)
    session = desk.store.sessions.list_live(user_id, now=desk.now)[0]
    passkey = new_passkey(user)
    assert activate(desk.store, user, session, passkey)
    return passkey


@pytest.mark.parametrize("user_id", [NOBODY, "nonsense", "%00", NOBODY.upper()])
def test_an_unknown_user_is_not_found(desk, user_id):
    for method, path, body in OPERATIONS_ON_ONE:
        answer = desk.send(method, f"/{user_id}{path}", json=body)
        assert outcome(answer) == (404, "NOT_FOUND"), (method, path)


OPERATIONS_ON_ONE = [
    ("GET", "", None),
    ("PATCH", "", {"is_active": True}),
    ("DELETE", "", None),
    ("POST", "/password-reset", None),
    ("GET", "/sessions", None),
    ("DELETE", "/sessions", None),
    ("DELETE", "/factors", None),
]


# --- Inviting


def test_an_invited_user_sets_a_password_by_the_token_where_there_is_no_mail(desk):
    desk.role("support", "users:read")

    invited = desk.invite("Grace@example.com", username="grace", roles=["support"])

    assert invited.status_code == 201
    assert (invited.json["email"], invited.json["roles"]) == ("Grace@example.com", ["support"])
    assert outcome(reset(desk.client, invited.json["invitation"])) == (204, None)
    assert desk.client.login("grace@example.com", NEW_PASSWORD).status_code == 200
    assert desk.stored(invited.json["id"]).scopes == {"users:read"}
    assert outcome(reset(desk.client, invited.json["invitation"])) == (401, "TOKEN_REVOKED")


def test_an_invitation_goes_by_mail_where_there_is_any(mailing, clock):
    client = mailing()
    desk = desk_of(client, clock)

    invited = desk.invite("grace@example.com")

    assert "invitation" not in invited.json
    mail = client.mailbox.only()
    assert mail.to == "grace@example.com"
    assert outcome(reset(client, mail.token)) == (204, None)


def test_what_is_invited_is_written_down(desk):
    invited = desk.invite("grace@example.com", roles=["admin", "admin"]).json["id"]

    assert desk.audited(2) == [
        ("user.invited", invited, {}),
        ("role.granted", invited, {"role": "admin"}),
    ]
    assert {each.actor for each in desk.store.audit.list_newest(limit=2)} == {desk.actor_id}


def test_who_has_not_come_yet_is_invited_again_as_they_are(desk):
    first = desk.invite("grace@example.com", username="grace")

    again = desk.invite("GRACE@example.com", roles=["admin"])

    assert again.status_code == 201
    assert {**again.json, "invitation": ""} == {**first.json, "invitation": ""}
    assert outcome(reset(desk.client, again.json["invitation"])) == (204, None)
    assert outcome(desk.invite("grace@example.com")) == (409, "DUPLICATE_EMAIL")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"email": EMAIL.upper()}, (409, "DUPLICATE_EMAIL")),
        ({"email": "new@example.com", "username": "ADA"}, (409, "DUPLICATE_USERNAME")),
        ({"email": "no address"}, (422, "INVALID_EMAIL")),
        ({"email": "new@example.com", "username": "a b"}, (422, "VALIDATION_FAILED")),
        ({"email": "new@example.com", "roles": ["unheard-of"]}, (422, "VALIDATION_FAILED")),
        ({"email": "new@example.com", "roles": ["admin", 1]}, (422, "VALIDATION_FAILED")),
        ({"email": "new@example.com", "roles": ["a"] * 101}, (422, "VALIDATION_FAILED")),
        ({"email": "new@example.com", "password": PASSWORD}, (422, "VALIDATION_FAILED")),
        ({}, (422, "VALIDATION_FAILED")),
    ],
)
def test_who_cannot_be_invited_is_not(desk, ada, body, expected):
    assert outcome(desk.send("POST", json=body)) == expected

    assert len(desk.find().json["users"]) == 2


def test_every_violation_of_an_invitation_is_told(desk):
    answer = desk.send("POST", json={"email": "no address", "username": "a b", "roles": 1, "x": 1})

    pointers = {each["pointer"] for each in answer.json["errors"]}
    assert pointers == {"/email", "/username", "/roles", "/x"}


# --- Changing


def test_a_change_takes_place_at_once(desk, ada):
    token = desk.client.login().json["access_token"]

    answer = desk.patch(ada, is_active=False, username="lovelace", email_verified=True)

    assert answer.status_code == 200
    shown = answer.json
    changed = (shown["is_active"], shown["username"], shown["email_verified"])
    assert changed == (False, "lovelace", True)
    assert outcome(desk.client.profile(token)) == (401, "TOKEN_REVOKED")
    assert outcome(desk.client.login()) == (403, "ACCOUNT_DISABLED")
    assert desk.patch(ada, is_active=True, username=None).json["username"] is None
    assert desk.client.login().status_code == 200


def test_what_is_left_out_stays_as_it_is(desk, ada):
    desk.patch(ada, roles=["admin"], email_verified=True)

    assert desk.patch(ada, is_active=True).json["roles"] == ["admin"]
    assert desk.stored(ada).email_verified
    assert desk.stored(ada).username == "ada"


def test_roles_count_at_the_next_request(desk, ada):
    token = desk.client.login().json["access_token"]

    def listing():
        return outcome(desk.client.as_user("GET", USERS, token))

    assert listing() == (403, "INSUFFICIENT_SCOPE")
    desk.patch(ada, roles=["admin"])
    assert listing() == (200, None)
    desk.patch(ada, roles=[])
    assert listing() == (403, "INSUFFICIENT_SCOPE")


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"username": "ROOT_"}, (409, "DUPLICATE_USERNAME")),
        ({"roles": ["unheard-of"]}, (422, "VALIDATION_FAILED")),
        ({"username": "a b"}, (422, "VALIDATION_FAILED")),
        ({"is_active": None}, (422, "VALIDATION_FAILED")),
        ({"email": "other@example.com"}, (422, "VALIDATION_FAILED")),
        ({"password": PASSWORD}, (422, "VALIDATION_FAILED")),
        ({"id": NOBODY}, (422, "VALIDATION_FAILED")),
    ],
)
def test_a_change_that_is_refused_changes_nothing(desk, ada, members, expected):
    desk.patch(desk.actor_id, username="root_")
    before = desk.stored(ada)

    assert outcome(desk.patch(ada, **({"is_active": False} | members))) == expected

    assert desk.stored(ada) == before


def test_a_change_of_nothing_is_refused(desk, ada):
    assert outcome(desk.patch(ada)) == (422, "VALIDATION_FAILED")


def test_a_change_voids_the_links_that_were_sent_before(desk, ada):
    token = desk.send("POST", f"/{ada}/password-reset").json["reset"]

    desk.patch(ada, email_verified=True)

    assert outcome(reset(desk.client, token)) == (401, "TOKEN_REVOKED")


def test_each_thing_that_changes_is_written_down(desk, ada):
    desk.role("support", "users:read")
    desk.patch(ada, is_active=False, username=None, email_verified=True, roles=["support"])
    desk.patch(ada, is_active=True, email_verified=False, roles=["admin"])

    assert desk.audited(8) == [
        ("user.disabled", ada, {}),
        ("user.renamed", ada, {}),
        ("user.verified", ada, {"verified": True}),
        ("role.granted", ada, {"role": "support"}),
        ("user.enabled", ada, {}),
        ("user.verified", ada, {"verified": False}),
        ("role.granted", ada, {"role": "admin"}),
        ("role.revoked", ada, {"role": "support"}),
    ]
    assert {each.actor for each in desk.store.audit.list_newest(limit=8)} == {desk.actor_id}
    assert desk.patch(ada, is_active=True, email_verified=False, roles=["admin"]).status_code == 200
    assert desk.audited(1)[0][0] == "role.revoked"  # Nothing changed.


# --- Deleting, sessions, factors, passwords


def test_a_deleted_user_is_gone_and_the_address_is_free(desk, ada):
    assert outcome(desk.send("DELETE", f"/{ada}")) == (204, None)

    assert outcome(desk.send("GET", f"/{ada}")) == (404, "NOT_FOUND")
    assert desk.audited(1) == [("user.deleted", ada, {})]
    assert desk.client.register().status_code == 201


def test_sessions_are_listed_and_ended(desk, ada):
    desk.client.login(headers={"User-Agent": "her-browser"})

    listed = desk.send("GET", f"/{ada}/sessions").json["sessions"]

    assert [each["user_agent"] for each in listed][:1] == ["her-browser"]
    assert {each["current"] for each in listed} == {False}
    own = desk.send("GET", f"/{desk.actor_id}/sessions").json["sessions"]
    assert [each["current"] for each in own] == [True]
    assert outcome(desk.send("DELETE", f"/{ada}/sessions")) == (204, None)
    assert desk.send("GET", f"/{ada}/sessions").json["sessions"] == []
    assert desk.audited(1) == [("session.ended", ada, {"all": True})]
    assert desk.stored(ada).is_active


def test_factors_are_removed_and_the_owner_is_told(mailing, clock):
    client = mailing()
    desk = desk_of(client, clock)
    ada = client.register().json["user"]["id"]
    add_passkey(desk, ada)
    client.mailbox.read()

    assert outcome(desk.send("DELETE", f"/{ada}/factors")) == (204, None)

    assert desk.send("GET", f"/{ada}").json["factors"] == []
    assert desk.store.factors.find_holder(ada).code_hashes == frozenset()
    assert "removed" in client.mailbox.only().subject
    assert desk.audited(1) == [("factor.removed", ada, {"kind": "all"})]
    assert client.login().status_code == 200
    assert outcome(desk.send("DELETE", f"/{ada}/factors")) == (204, None)
    assert client.mailbox.read() == []


def test_a_reset_goes_by_mail_and_leaves_the_password_until_then(mailing, clock):
    client = mailing()
    desk = desk_of(client, clock)
    ada = client.register().json["user"]["id"]
    client.mailbox.read()

    answer = desk.send("POST", f"/{ada}/password-reset")

    assert (answer.status_code, set(answer.json)) == (202, {"message"})
    mail = client.mailbox.only()
    assert (mail.to, client.login().status_code) == (EMAIL, 200)
    assert outcome(reset(client, mail.token)) == (204, None)
    assert client.login(password=NEW_PASSWORD).status_code == 200


def test_a_reset_without_mail_is_handed_over(desk, ada):
    answer = desk.send("POST", f"/{ada}/password-reset")

    assert answer.status_code == 202
    assert desk.audited(1) == [("password.reset_requested", ada, {})]
    assert outcome(reset(desk.client, answer.json["reset"])) == (204, None)
    assert desk.client.login(password=NEW_PASSWORD).status_code == 200


@pytest.mark.parametrize("change", [{"roles": ["admin"]}, None])
def test_a_token_in_hand_is_worth_no_more_than_its_holder(desk, ada, change):
    """A helper keeps it until its user is an administrator, or until the helper is dismissed."""
    root = desk.actor_id
    desk.role("helper", "users:write")
    helper = desk.log_in("helper@example.com", "helper")
    tokens = [desk.send("POST", f"/{ada}/password-reset").json["reset"]]
    invited = desk.invite("grace@example.com").json
    tokens.append(invited["invitation"])
    desk.act_as(root)
    changed = [ada, invited["id"]] if change else [helper]
    for each in changed:
        assert desk.patch(each, **(change or {"is_active": False})).status_code == 200

    refused = [reset(desk.client, token) for token in tokens]

    assert [outcome(each) for each in refused] == [(401, "TOKEN_REVOKED")] * 2
    assert desk.client.login().status_code == 200


def test_who_is_disabled_gets_no_reset(desk, ada):
    desk.patch(ada, is_active=False)

    answer = desk.send("POST", f"/{ada}/password-reset")

    assert outcome(answer) == (403, "ACCOUNT_DISABLED")
    assert "enable it first" in answer.json["detail"]


def test_a_reset_does_not_pass_by_a_second_factor(desk, ada):
    desk.patch(ada, email_verified=True)
    add_passkey(desk, ada)
    token = desk.send("POST", f"/{ada}/password-reset").json["reset"]

    reset(desk.client, token)

    logged_in = desk.client.login(password=NEW_PASSWORD)
    assert outcome(logged_in) == (401, "SECOND_FACTOR_REQUIRED")


# --- Who may do what

EVERY_OPERATION = [
    ("GET", "", None, "users:read"),
    ("POST", "", {"email": "new@example.com"}, "users:write"),
    ("GET", "/{id}", None, "users:read"),
    ("PATCH", "/{id}", {"email_verified": True}, "users:write"),
    ("POST", "/{id}/password-reset", None, "users:write"),
    ("GET", "/{id}/sessions", None, "users:write"),
    ("DELETE", "/{id}/sessions", None, "users:write"),
    ("DELETE", "/{id}/factors", None, "users:write"),
    ("DELETE", "/{id}", None, "users:write"),
]


def test_each_operation_asks_for_its_scope(desk, ada):
    desk.role("reader", "users:read")
    desk.role("writer", "users:write")
    desk.role("other", "roles:write", "audit:read", "notes:write")
    for role in ("reader", "writer", "other", None):
        desk.log_in(f"{role}@example.com", *([role] if role else []))
        for method, path, body, scope in EVERY_OPERATION:
            answer = desk.send(method, path.format(id=ada), json=body)
            allowed = f"{role}".removesuffix("r") in scope.replace("read", "reade")
            assert (answer.status_code < 300) == allowed, (role, method, path, answer.text)
            if not allowed:
                assert outcome(answer) == (403, "INSUFFICIENT_SCOPE")
                assert f'scope="{scope}"' in answer.headers["WWW-Authenticate"]


def test_nothing_is_open_to_who_has_no_token(client):
    for method, path, body, _ in EVERY_OPERATION:
        answer = client.simulate_request(method, USERS + path.format(id=NOBODY), json=body)
        assert outcome(answer) == (401, "MISSING_TOKEN"), (method, path)


def test_every_operation_asks_for_a_recent_proof(desk, ada, clock):
    """Those that read as well."""
    clock.advance(minutes=11)

    for method, path, body, _ in EVERY_OPERATION:
        answer = desk.send(method, path.format(id=ada), json=body)
        assert outcome(answer) == (401, "STEP_UP_REQUIRED"), (method, path)
        assert "max_age" in answer.headers["WWW-Authenticate"]


# --- Attempts to get more


@pytest.fixture
def writer(desk):
    """Somebody who may read and write users, and no more, is the one who acts."""
    desk.role("helpdesk", "users:read", "users:write")
    desk.role("auditor", "audit:read")
    desk.root = desk.actor_id
    return desk.log_in("helpdesk@example.com", "helpdesk")


CHANGES = [
    ("PATCH", "", {"is_active": False}),
    ("PATCH", "", {"roles": []}),
    ("PATCH", "", {"roles": ["helpdesk"]}),
    ("PATCH", "", {"username": "owned"}),
    ("PATCH", "", {"email_verified": True}),
    ("POST", "/password-reset", None),
    ("DELETE", "/sessions", None),
    ("DELETE", "/factors", None),
    ("DELETE", "", None),
]


def test_nobody_changes_a_user_who_may_do_more(desk, writer):
    """Neither an administrator, nor somebody with one other scope."""
    auditor = desk.log_in("auditor@example.com", "auditor")
    desk.act_as(writer)
    for victim in (desk.root, auditor):
        before = desk.stored(victim)
        for method, path, body in CHANGES:
            answer = desk.send(method, f"/{victim}{path}", json=body)
            assert outcome(answer) == (403, "INSUFFICIENT_SCOPE"), (method, path, body)
        assert desk.stored(victim) == before
        assert len(desk.store.sessions.list_live(victim, now=desk.now)) == 1


def test_the_answer_says_which_scope_is_missing(desk, writer):
    answer = desk.patch(desk.root, is_active=False)

    assert 'error="insufficient_scope", scope="admin"' in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize("roles", [["admin"], ["auditor"], ["helpdesk", "auditor"]])
def test_nobody_gives_a_role_that_allows_more(desk, writer, ada, roles):
    """Neither to themselves, nor to others, nor to a user of their own making."""
    for user_id in (writer, ada):
        assert outcome(desk.patch(user_id, roles=roles)) == (403, "INSUFFICIENT_SCOPE")
    refused = desk.invite("puppet@example.com", roles=roles)

    assert outcome(refused) == (403, "INSUFFICIENT_SCOPE")
    assert desk.shown(query="puppet") == []
    assert (desk.stored(writer).roles, desk.stored(ada).roles) == (("helpdesk",), ())


def test_nobody_takes_over_an_invitation_that_allows_more(desk, writer):
    """The token of an administrator who has not come yet would be the keys of the house."""
    desk.act_as(desk.root)
    first = desk.invite("chief@example.com", roles=["admin"])
    desk.act_as(writer)

    again = desk.invite("chief@example.com")

    assert outcome(again) == (403, "INSUFFICIENT_SCOPE")
    assert "invitation" not in again.text
    reset_again = desk.send("POST", f"/{first.json['id']}/password-reset")
    assert outcome(reset_again) == (403, "INSUFFICIENT_SCOPE")


def test_what_one_has_can_be_given(desk, writer, ada):
    assert desk.patch(ada, roles=["helpdesk"]).json["roles"] == ["helpdesk"]
    assert outcome(desk.patch(ada, is_active=False)) == (200, None)


def test_who_was_promoted_meanwhile_is_out_of_reach(desk, writer, ada):
    """The scopes that count are those at the moment of the change."""
    assert desk.patch(ada, username="lovelace").status_code == 200
    desk.act_as(desk.root)
    desk.patch(ada, roles=["auditor"])
    desk.act_as(writer)

    assert outcome(desk.patch(ada, username="ada")) == (403, "INSUFFICIENT_SCOPE")


def test_a_role_that_was_widened_meanwhile_puts_its_users_out_of_reach(desk, writer, ada):
    desk.role("guest")
    assert desk.patch(ada, roles=["guest"]).status_code == 200

    desk.role("guest", "notes:write")

    assert outcome(desk.patch(ada, is_active=False)) == (403, "INSUFFICIENT_SCOPE")


def test_members_that_are_not_offered_change_nothing(desk, writer):
    """Mass assignment: neither scopes nor versions nor hashes are anybody's to set."""
    for name in ("scopes", "has_roles", "password_hash", "factor_count", "email_version"):
        answer = desk.patch(writer, **{name: 1})
        assert [each["pointer"] for each in answer.json["errors"]] == [f"/{name}"]


# --- The last administrator


@pytest.mark.parametrize(
    ("method", "body"),
    [("PATCH", {"is_active": False}), ("PATCH", {"roles": []}), ("DELETE", None)],
)
def test_the_last_administrator_cannot_be_taken_away(desk, ada, method, body):
    answer = desk.send(method, f"/{desk.actor_id}", json=body)

    assert outcome(answer) == (409, "LAST_ADMINISTRATOR")
    assert desk.stored(desk.actor_id).scopes == {"admin"}
    desk.patch(ada, roles=["admin"])
    assert desk.send(method, f"/{desk.actor_id}", json=body).status_code < 300
