"""`@requires`: what own resources ask for beside a token, here and beside a verifier."""

import falcon
import pytest
from conftest import EMAIL, outcome
from falcon import testing
from token_samples import KEY, SESSION, USER

from falcon_auth import public, requires
from falcon_auth.keys import KeyRing
from falcon_auth.sessions.tokens import TokenCodec
from falcon_auth.testing.service import TestService
from falcon_auth.verifier import GuardedApp, Verifier


class Notes:
    def on_get(self, req, resp):
        resp.media = {}

    @requires(recent=True)
    def on_put(self, req, resp):
        resp.media = {}

    @requires(factor=True)
    def on_delete(self, req, resp):
        resp.media = {}


@requires(recent=True)
class Precious:
    def on_get(self, req, resp):
        resp.media = {}

    @requires(factor=True)
    def on_post(self, req, resp):
        resp.media = {}


class Inherited(Precious):
    """A subclass asks for what its base asks for."""


@pytest.fixture
def service(clock):
    with TestService({}, clock) as service:
        service.app.add_route("/notes", Notes())
        service.app.add_route("/precious", Precious())
        service.app.add_route("/inherited", Inherited())
        yield service


def ask(service, method, path, user):
    return outcome(service.client.simulate_request(method, path, headers=user.headers))


STEP_UP = (401, "STEP_UP_REQUIRED")


def test_recent_is_asked_of_the_responder_that_says_so(service, clock):
    ada = service.new_user(EMAIL)
    clock.advance(minutes=10)
    assert ask(service, "PUT", "/notes", ada) == (200, None)

    clock.advance(seconds=1)

    assert ask(service, "GET", "/notes", ada) == (200, None)
    assert ask(service, "PUT", "/notes", ada) == STEP_UP
    for path in ("/precious", "/inherited"):
        assert ask(service, "GET", path, ada) == STEP_UP
        head = service.client.simulate_head(path, headers=ada.headers)
        assert head.status_code == 401


def test_a_factor_is_asked_of_everybody_and_class_and_responder_add_up(service, clock):
    ada = service.new_user(EMAIL)
    assert ask(service, "DELETE", "/notes", ada) == STEP_UP
    assert ask(service, "POST", "/precious", ada) == STEP_UP

    service.add_app(ada)

    assert ask(service, "DELETE", "/notes", ada) == (200, None)
    assert ask(service, "POST", "/precious", ada) == (200, None)
    clock.advance(minutes=11)
    assert ask(service, "DELETE", "/notes", ada) == (200, None)
    assert ask(service, "POST", "/precious", ada) == STEP_UP


def test_public_and_requires_exclude_each_other():
    @public
    class Open:
        @requires(recent=True)
        def on_get(self, req, resp):
            pass

    @public
    @requires(factor=True)
    class Contradiction:
        pass

    app = GuardedApp(Verifier(KeyRing([KEY]), issuer=None, audience=None))
    for resource in (Open(), Contradiction()):
        with pytest.raises(TypeError, match="public"):
            app.add_route("/open", resource)


@pytest.mark.parametrize("wrong", [Notes, "two scopes", "", 'quo"te', "ä", None])
def test_what_is_not_a_scope_is_refused(wrong):
    with pytest.raises(TypeError, match="scope"):
        requires(wrong)


def test_a_verifier_elsewhere_asks_by_the_claims_of_the_token(clock):
    from dataclasses import replace

    codec = TokenCodec(KeyRing([KEY]), clock=clock, access_seconds=3600)
    verifier = Verifier(KeyRing([KEY]), issuer=None, audience=None, clock=clock)
    app = GuardedApp(verifier, recent_seconds=300, clock=clock)
    app.add_route("/notes", Notes())
    client = testing.TestClient(app)

    def send(method, amr):
        token = codec.issue_access(USER, replace(SESSION, amr=amr, expires_at=clock() + 7200)).text
        headers = {"Authorization": f"Bearer {token}"}
        return client.simulate_request(method, "/notes", headers=headers)

    assert send("PUT", ("pwd",)).status_code == 200
    assert send("DELETE", ("pwd",)).status_code == 401
    assert send("DELETE", ("pwd", "otp", "mfa")).status_code == 200
    clock.advance(seconds=301)
    answer = send("PUT", ("pwd",))
    assert outcome(answer) == STEP_UP
    assert 'max_age="300"' in answer.headers["WWW-Authenticate"]


def test_the_package_has_no_other_lazy_names():
    import falcon_auth

    with pytest.raises(AttributeError):
        falcon_auth.nothing  # noqa: B018 - asked for


def test_falcon_hooks_keep_what_a_responder_requires(clock):
    def hook(req, resp, resource, params):
        pass

    class Hooked:
        @falcon.before(hook)
        @requires(factor=True)
        def on_get(self, req, resp):
            resp.media = {}

    with TestService({}, clock) as service:
        service.app.add_route("/hooked", Hooked())

        assert ask(service, "GET", "/hooked", service.new_user(EMAIL)) == STEP_UP
