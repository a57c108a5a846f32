"""Scopes and roles over HTTP: who is let in, what is defined, and what tokens say."""

import jwt
import pytest
from conftest import EMAIL, outcome
from falcon import testing
from processes import ROOT
from sqlalchemy import event

from falcon_auth import public, requires
from falcon_auth.access.roles import FULL, MAX_ROLES
from falcon_auth.access.scopes import UndeclaredScopeError
from falcon_auth.keys import Key, KeyRing
from falcon_auth.keys.service_credentials import make_credential
from falcon_auth.models import Role
from falcon_auth.testing.forge import Forge
from falcon_auth.testing.service import TestService
from falcon_auth.verifier import GuardedApp, Verifier

ROLES = "/api/v1/admin/roles"
SCOPES = ("notes:read", "notes:write", 'odd!#$%&()*+,-./:;<=>?@[]^_`{|}~"'.replace('"', ""))


class Answers:
    def on_get(self, req, resp):
        resp.media = {"scopes": sorted(req.context.caller.scopes)}


@requires("notes:read")
class Notes(Answers):
    @requires("notes:write")
    def on_put(self, req, resp):
        resp.media = {}

    @requires("notes:write", recent=True)
    def on_delete(self, req, resp):
        resp.media = {}


class Inherited(Notes):
    """A subclass asks for what its base asks for."""


@pytest.fixture
def service(clock):
    with TestService({"scopes": SCOPES, "jwt_issuer": "https://auth.example"}, clock) as service:
        service.app.add_route("/notes", Notes())
        service.app.add_route("/inherited", Inherited())
        yield service


@pytest.fixture
def admin(service):
    return service.new_user("root@example.com", scopes=["admin"])


def send(service, method, path, user, body=None):
    return service.client.simulate_request(method, path, headers=user.headers, json=body)


def ask(service, method, path, user, body=None):
    return outcome(send(service, method, path, user, body))


FORBIDDEN = (403, "INSUFFICIENT_SCOPE")


# --- Guarded by scope


def test_class_and_responder_ask_for_their_scopes(service):
    nobody = service.new_user(EMAIL)
    reader = service.new_user("reader@example.com", scopes=["notes:read"])
    writer = service.new_user("writer@example.com", scopes=["notes:write"])
    both = service.new_user("both@example.com", scopes=["notes:read", "notes:write"])

    for path in ("/notes", "/inherited"):
        allowed = [ask(service, "GET", path, user)[0] for user in (nobody, reader, writer, both)]
        assert allowed == [403, 200, 403, 200]
        heads = [send(service, "HEAD", path, user).status_code for user in (nobody, reader)]
        assert heads == [403, 200]
        allowed = [ask(service, "PUT", path, user)[0] for user in (nobody, reader, writer, both)]
        assert allowed == [403, 403, 403, 200]


def test_the_scope_admin_stands_for_every_scope(service, admin):
    assert ask(service, "PUT", "/notes", admin) == (200, None)


def test_a_refusal_names_what_is_required_and_nothing_else(service):
    reader = service.new_user(EMAIL, scopes=["notes:read", "users:read"])

    answer = send(service, "PUT", "/notes", reader)

    assert outcome(answer) == FORBIDDEN
    challenge = answer.headers["WWW-Authenticate"]
    assert challenge.startswith("Bearer ")
    assert 'error="insufficient_scope"' in challenge
    assert 'scope="notes:read notes:write"' in challenge


def test_who_lacks_a_scope_is_not_asked_to_step_up(service, clock):
    reader = service.new_user("r@example.com", scopes=["notes:read"])
    writer = service.new_user(EMAIL, scopes=["notes:read", "notes:write"])
    clock.advance(minutes=11)

    assert ask(service, "DELETE", "/notes", reader) == FORBIDDEN
    assert ask(service, "DELETE", "/notes", writer) == (401, "STEP_UP_REQUIRED")


def test_a_revoked_role_counts_at_the_next_request(service):
    writer = service.new_user(EMAIL, scopes=["notes:read"])
    assert ask(service, "GET", "/notes", writer) == (200, None)
    found = service.app.service.administration.find(EMAIL)

    service.app.service.roles.revoke(found, found.roles[0])

    assert ask(service, "GET", "/notes", writer) == FORBIDDEN


def test_there_is_a_bound_on_roles(service, admin):
    """Each change reads them all: with 70,000 of them, one request failed as if the store had."""
    definer = service.new_user("definer@example.com", scopes=["roles:write"])
    path, nothing = f"{ROLES}/one-more", {"scopes": []}
    store = service.app.service.store.roles
    for number in range(MAX_ROLES - len(store.list())):
        store.define(Role(f"role-{number}", ()))

    refused = send(service, "PUT", path, definer, nothing)
    again = send(service, "PUT", f"{ROLES}/role-0", definer, nothing)
    store.delete("role-0")

    assert outcome(refused) == (422, "VALIDATION_FAILED")
    assert refused.json["errors"][0]["detail"] == FULL
    assert again.status_code == 200
    assert send(service, "PUT", path, definer, nothing).status_code == 200


def test_without_a_token_nobody_is_told_of_scopes(service):
    answer = service.client.simulate_get("/notes")

    assert outcome(answer) == (401, "MISSING_TOKEN")
    assert "scope" not in answer.headers["WWW-Authenticate"]


def test_a_scope_that_is_not_declared_stops_the_start(service):
    class Misspelt:
        @requires("notes:wriet")
        def on_get(self, req, resp):
            pass

    elsewhere = GuardedApp(elsewhere_verifier(service), scopes=["notes:write"])
    for app in (service.app, elsewhere):
        with pytest.raises(UndeclaredScopeError, match="did you mean 'notes:write'"):
            app.add_route("/misspelt", Misspelt())
        assert outcome(testing.TestClient(app).simulate_get("/misspelt")) == (404, "NOT_FOUND")


def test_an_application_that_declares_nothing_still_has_the_services_own_scopes(service):
    @requires("users:read")
    class Users(Answers):
        pass

    @requires("xyz")
    class Unlike(Answers):
        pass

    app = GuardedApp(elsewhere_verifier(service))
    app.add_route("/users", Users())
    with pytest.raises(UndeclaredScopeError) as refused:
        app.add_route("/unlike", Unlike())
    assert str(refused.value) == "Unlike requires the scope 'xyz', which is not declared"


def test_public_and_guarded_by_scope_exclude_each_other(service):
    @public
    @requires("notes:read")
    class Contradiction(Answers):
        pass

    with pytest.raises(TypeError, match="public"):
        service.app.add_route("/contradiction", Contradiction())


# --- What tokens say


def elsewhere_verifier(service):
    ring = KeyRing([Key.symmetric(service.secret, "HS256")])
    return Verifier(ring, issuer="https://auth.example", audience=None, clock=service.clock)


def claims_of(token):
    return jwt.decode(token, options={"verify_signature": False})


def test_the_claim_scope_is_there_where_there_are_any(service):
    nobody = service.new_user("nobody@example.com")
    writer = service.new_user(EMAIL, scopes=["notes:write", "notes:read"])

    assert "scope" not in claims_of(nobody.access_token)
    assert claims_of(writer.access_token)["scope"] == "notes:read notes:write"


def test_a_user_with_every_scope_has_a_token_that_is_accepted(clock):
    scopes = [f"application-{number:02}:write" for number in range(40)]
    with TestService({"scopes": scopes}, clock) as service:
        user = service.new_user(EMAIL, scopes=[*scopes, "users:read", "users:write", "admin"])

        assert ask(service, "GET", "/protected", user) == (200, None)
        assert len(claims_of(user.access_token)["scope"]) > 800


def test_the_same_resource_is_guarded_beside_a_verifier(service, admin):
    app = GuardedApp(elsewhere_verifier(service), scopes=SCOPES, clock=service.clock)
    app.add_route("/notes", Notes())
    client = testing.TestClient(app)
    reader = service.new_user(EMAIL, scopes=["notes:read"])

    def ask(method, user):
        return outcome(client.simulate_request(method, "/notes", headers=user.headers))

    assert ask("GET", reader) == (200, None)
    assert ask("PUT", reader) == FORBIDDEN
    assert ask("PUT", admin) == (200, None)


@pytest.mark.parametrize(
    "scope",
    ["", " ", "a  b", "a b ", 'quo"te', "back\\slash", "ä", "a\nb", 7, ["notes:read"], None],
)
def test_a_claim_that_is_no_list_of_scopes_is_refused(service, scope):
    user = service.new_user(EMAIL)

    token = Forge(service).signed(user, extra={"scope": scope})

    answer = service.client.simulate_get("/protected", headers={"Authorization": f"Bearer {token}"})
    assert outcome(answer) == (401, "TOKEN_INVALID")


def test_a_claim_gives_nothing_here_that_the_store_does_not(service):
    user = service.new_user(EMAIL)

    token = Forge(service).signed(user, extra={"scope": "admin"})

    answer = service.client.simulate_get("/notes", headers={"Authorization": f"Bearer {token}"})
    assert outcome(answer) == FORBIDDEN


def test_a_proxy_asks_for_scopes(service, admin):
    reader = service.new_user(EMAIL, scopes=["notes:read", "users:read"])

    def check(user, query):
        return send(service, "GET", f"/api/v1/auth/check?scope={query}", user)

    assert check(reader, "notes:read").status_code == 204
    assert check(reader, "").headers["X-Auth-Scope"] == "notes:read users:read"
    assert outcome(check(reader, "notes:read+notes:write")) == FORBIDDEN
    assert check(admin, "whatever").status_code == 204


# --- Definitions


def test_roles_are_defined_listed_and_deleted(service, admin):
    role = {"name": "editor", "scopes": ["notes:read", "notes:write"]}
    body = {"scopes": ["notes:write", "notes:read", "notes:write"]}

    assert send(service, "PUT", f"{ROLES}/editor", admin, body).json == role
    assert send(service, "PUT", f"{ROLES}/editor", admin, body).json == role
    listed = send(service, "GET", ROLES, admin).json["roles"]
    assert listed[:2] == [{"name": "admin", "scopes": ["admin"]}, role]

    assert ask(service, "DELETE", f"{ROLES}/editor", admin) == (204, None)
    assert ask(service, "DELETE", f"{ROLES}/editor", admin) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"scopes": "notes:read"},
        {"scopes": [7]},
        {"scopes": ["a"] * 201},
        {"scopes": ["a" * 1025]},
        {"scopes": [""]},
        {"scopes": [], "name": "x"},
    ],
)
def test_a_body_of_another_form_is_refused(service, admin, body):
    assert ask(service, "PUT", f"{ROLES}/editor", admin, body) == (422, "VALIDATION_FAILED")


def test_a_scope_that_is_not_declared_is_refused_and_not_repeated(service, admin):
    body = {"scopes": ["notes:read", "hunter2"]}

    answer = send(service, "PUT", f"{ROLES}/editor", admin, body)

    assert outcome(answer) == (422, "VALIDATION_FAILED")
    assert [each["pointer"] for each in answer.json["errors"]] == ["/scopes/1"]
    assert "hunter2" not in answer.text


def test_a_scope_that_is_not_text_is_refused(service, admin):
    headers = admin.headers | {"Content-Type": "application/json"}

    answer = service.client.simulate_put(
        f"{ROLES}/editor", headers=headers, body=b'{"scopes": ["\\ud800"]}'
    )

    assert outcome(answer) == (422, "VALIDATION_FAILED")


@pytest.mark.parametrize("name", ["Editor", "1st", "a" * 51, "ä", "a=b", 'a"b', "%20", "-"])
def test_what_cannot_be_a_name_is_not_found(service, admin, name):
    body = {"scopes": []}

    assert ask(service, "PUT", f"{ROLES}/{name}", admin, body) == (404, "NOT_FOUND")
    assert ask(service, "DELETE", f"{ROLES}/{name}", admin) == (404, "NOT_FOUND")


def test_the_built_in_role_stays_as_it_is(service, admin):
    assert ask(service, "PUT", f"{ROLES}/admin", admin, {"scopes": ["admin"]}) == (200, None)
    for scopes in ([], ["notes:read"], ["admin", "notes:read"]):
        answer = ask(service, "PUT", f"{ROLES}/admin", admin, {"scopes": scopes})
        assert answer == (422, "VALIDATION_FAILED")
    assert ask(service, "DELETE", f"{ROLES}/admin", admin) == (409, "LAST_ADMINISTRATOR")


def test_roles_are_for_who_may_write_them(service, clock):
    reader = service.new_user(EMAIL, scopes=["users:read", "users:write", "audit:read"])
    writer = service.new_user("writer@example.com", scopes=["roles:write", "notes:read"])
    body = {"scopes": ["notes:read"]}

    for method, path in (("GET", ROLES), ("PUT", f"{ROLES}/x"), ("DELETE", f"{ROLES}/x")):
        assert ask(service, method, path, reader, body) == FORBIDDEN
    assert ask(service, "PUT", f"{ROLES}/x", writer, body) == (200, None)

    clock.advance(minutes=11)
    assert ask(service, "GET", ROLES, writer) == (200, None)
    assert ask(service, "PUT", f"{ROLES}/x", writer, body) == (401, "STEP_UP_REQUIRED")
    assert ask(service, "DELETE", f"{ROLES}/x", writer) == (401, "STEP_UP_REQUIRED")


def test_nobody_defines_a_role_beyond_what_they_have(service, admin):
    writer = service.new_user(EMAIL, scopes=["roles:write", "notes:read"])
    ask(service, "PUT", f"{ROLES}/editor", admin, {"scopes": ["notes:write"]})

    for scopes in (["admin"], ["notes:write"], ["notes:read", "users:write"]):
        assert ask(service, "PUT", f"{ROLES}/mine", writer, {"scopes": scopes}) == FORBIDDEN
    assert ask(service, "PUT", f"{ROLES}/editor", writer, {"scopes": []}) == FORBIDDEN
    assert ask(service, "DELETE", f"{ROLES}/editor", writer) == FORBIDDEN


def test_nobody_redefines_their_own_role_to_get_more(service):
    writer = service.new_user(EMAIL, scopes=["roles:write"])
    own = service.app.service.administration.find(EMAIL).roles[0]

    body = {"scopes": ["roles:write", "users:write"]}
    assert ask(service, "PUT", f"{ROLES}/{own}", writer, body) == FORBIDDEN


def test_the_last_administrator_stays_by_whatever_role(service, admin):
    own = service.app.service.administration.find("root@example.com").roles[0]

    last = (409, "LAST_ADMINISTRATOR")
    assert ask(service, "PUT", f"{ROLES}/{own}", admin, {"scopes": ["notes:read"]}) == last
    assert ask(service, "DELETE", f"{ROLES}/{own}", admin) == last
    assert ask(service, "DELETE", "/api/v1/auth/account", admin) == last

    other = service.new_user(EMAIL, scopes=["admin"])
    assert ask(service, "DELETE", "/api/v1/auth/account", other) == (204, None)


def test_changes_of_roles_are_audited_with_their_actor(service, admin):
    ask(service, "PUT", f"{ROLES}/editor", admin, {"scopes": ["notes:read"]})
    ask(service, "PUT", f"{ROLES}/editor", admin, {"scopes": ["notes:read"]})
    ask(service, "DELETE", f"{ROLES}/editor", admin)

    events = [
        (each.event, each.actor, each.subject, dict(each.details))
        for each in service.app.service.store.audit.list_newest(limit=2)
    ]
    assert events == [
        ("role.changed", admin.id, None, {"role": "editor", "deleted": True}),
        ("role.changed", admin.id, None, {"role": "editor", "scopes": "notes:read"}),
    ]


def test_the_export_of_an_account_names_its_roles(service):
    user = service.new_user(EMAIL)
    store = service.app.service.store
    store.roles.define(Role("reader", ("notes:read",)))
    store.roles.change(user.id, grant=["reader"], now=1.0)

    assert send(service, "GET", "/api/v1/auth/account", user).json["roles"] == ["reader"]


# --- Roles that ask for a second factor


def test_the_last_factor_of_a_role_that_asks_for_one_stays(clock):
    with TestService({"factor_required_roles": ["admin"]}, clock) as service:
        user = service.new_user(EMAIL)
        other = service.new_user("eve@example.com")
        granted = service.app.service.administration.find(EMAIL)
        service.app.service.roles.grant(granted, "admin")
        apps = service.add_app(user), service.add_app(other)

        def remove(user, app):
            return ask(service, "DELETE", f"/api/v1/auth/factors/{app.id}", user)

        assert remove(user, apps[0]) == (409, "FACTOR_REQUIRED")
        assert remove(other, apps[1]) == (204, None)


def test_the_page_of_access_runs(tmp_path, monkeypatch):
    """The first example of docs/access.md; it reads the environment, as an application does."""
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "access.md").read_text()
    code = page.split("```python\n")[1].split("```")[0]
    names = {}

    exec(code, names)  # noqa: S102 - our own page

    application = names["application"]
    try:
        requirements = application.requirements
        assert requirements["/notes", "GET"].scopes == {"notes:read"}
        assert requirements["/notes", "POST"].scopes == {"notes:read", "notes:write"}
        assert requirements["/notes", "DELETE"].recent
    finally:
        application.service.close()


# --- What it costs


@pytest.fixture
def on_sqlite(clock, sqlite_url):
    settings = {"database_url": sqlite_url, "scopes": SCOPES}
    with TestService(settings, clock) as service:
        yield service


def test_the_profile_of_a_user_with_roles_takes_one_statement_as_any_other(on_sqlite):
    users = [on_sqlite.new_user(EMAIL), on_sqlite.new_user("eve@example.com", scopes=["admin"])]
    engine = on_sqlite.app.service.store.users._database.engine  # noqa: SLF001 - to listen to it
    statements = []
    event.listen(engine, "before_cursor_execute", lambda *args: statements.append(args[2]))

    for user in users:
        assert ask(on_sqlite, "GET", "/api/v1/protected/profile", user) == (200, None)

    assert len(statements) == len(users)
    assert {*statements} == {statements[0]}


def test_introspection_tells_the_scopes_of_now(clock):
    token, stored = make_credential("notes")
    settings = {"scopes": SCOPES, "introspection_tokens": [stored]}
    with TestService(settings, clock) as service:
        user = service.new_user(EMAIL, scopes=["notes:write", "notes:read"])
        granted = service.app.service.administration.find(EMAIL)

        def introspect():
            answer = service.client.simulate_post(
                "/api/v1/auth/introspect",
                headers={
                    "Authorization": f"Bearer {token}",
                    "Content-Type": "application/x-www-form-urlencoded",
                },
                body=f"token={user.access_token}",
            )
            return answer.json.get("scope")

        assert introspect() == "notes:read notes:write"
        service.app.service.roles.revoke(granted, granted.roles[0])
        assert introspect() is None
