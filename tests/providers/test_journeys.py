"""What a front end is told by the way: each outcome of a log-in, an exchange and a link."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pyotp
import pytest
from conftest import EMAIL, outcome
from lying_provider import Browser, Said, entry, outcome_of
from provider_words import EXCHANGE, IDENTITIES, RETURN_TO, exchange

from falcon_auth.stores.memory.store import MemoryStore

LOGIN, CALLBACK = "/api/v1/auth/providers/idp/login", "/api/v1/auth/providers/idp/callback"
MEDIA_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
REFUSED = {"error": "PROVIDER_REFUSED"}
THREADS = 20


def user_of(tokens):
    return tokens.json["user"]["id"]


def owned_by(service, tokens):
    return service.as_user("GET", IDENTITIES, tokens).json["identities"]


def link(service, surfer, idp, tokens, name="idp"):
    """Link the identity that the provider knows now; return the answer."""
    url = service.as_user("POST", f"{IDENTITIES}/{name}", tokens, json={}).json["url"]
    found = outcome_of(surfer.come_back(name, **idp.visit(surfer.get(url).headers["Location"])))
    return service.as_user("POST", IDENTITIES, tokens, json=found)


@pytest.mark.parametrize("path", ["login", "callback"])
def test_a_provider_that_nobody_knows_is_not_found(surfer, path):
    assert outcome(surfer.get(f"/api/v1/auth/providers/nobody/{path}")) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("access_denied", "PROVIDER_REFUSED"),
        ("server_error", "PROVIDER_UNAVAILABLE"),
        ("temporarily_unavailable", "PROVIDER_UNAVAILABLE"),
    ],
)
def test_an_error_of_the_provider_is_passed_on_in_our_words(surfer, idp, said, code):
    state = idp.visit(surfer.begin())["state"]

    answer = surfer.come_back(error=said, state=state, iss=idp.url)

    assert outcome_of(answer) == {"error": code}


@pytest.mark.parametrize("code", ["", "x" * 4097])
def test_a_code_that_is_none_is_sent_to_nobody(surfer, idp, code):
    parameters = idp.visit(surfer.begin()) | {"code": code}

    assert outcome_of(surfer.come_back(**parameters)) == REFUSED
    assert "/token" not in [path for path, _ in idp.asked]


@pytest.mark.parametrize(
    "query",
    [
        "state=a&state=b",
        "code=a&code=a",
        "code=%ff",
        "&".join(f"p{number}=1" for number in range(21)),
        "state=../../x",
    ],
    ids=["two states", "two codes", "no UTF-8", "too many", "no state of ours"],
)
def test_an_answer_that_is_ambiguous_is_refused(surfer, query):
    assert outcome(surfer.get(f"{CALLBACK}?{query}")) == (401, "PROVIDER_REFUSED")


def test_what_an_answer_has_beside_is_passed_over(surfer, idp):
    parameters = idp.visit(surfer.begin()) | {"session_state": "x", "scope": "openid"}

    assert "code" in outcome_of(surfer.come_back(**parameters))


def test_a_form_is_answered_with_the_same_by_get(service, surfer, idp):
    form = "code=a+code&state=the+state&iss=https%3A%2F%2Fid.example.com&user=%7B%7D"

    answer = service.simulate_post(CALLBACK, body=form, headers=MEDIA_FORM)

    assert answer.status_code == 303
    assert answer.headers["Location"].endswith(
        f"{CALLBACK}?code=a+code&state=the+state&iss=https%3A%2F%2Fid.example.com"
    )
    assert answer.cookies == {}


def test_a_browser_keeps_five_attempts(surfer, idp):
    first = surfer.begin()
    for _ in range(5):
        last = surfer.begin()

    assert len(surfer.cookies) == 5
    assert outcome(surfer.come_back(**idp.visit(first))) == (401, "PROVIDER_REFUSED")
    assert "code" in outcome_of(surfer.come_back(**idp.visit(last)))


@pytest.mark.parametrize("address", [None, "", "no address", "x" * 255, 7], ids=str)
def test_without_an_address_no_user_is_made(surfer, idp, address):
    idp.user["email"] = address

    assert surfer.log_in(idp) == {"error": "PROVIDER_EMAIL_UNVERIFIED"}


def test_an_address_that_only_userinfo_has(service, surfer, idp):
    idp.claims = {"email": None, "email_verified": None}

    assert exchange(service, surfer.log_in(idp)).json["user"]["email"] == "ada@example.com"


def test_userinfo_of_somebody_else_is_refused(surfer, idp):
    idp.claims = {"email": None}
    idp.says["/userinfo"] = Said(body={"sub": "another", "email": EMAIL, "email_verified": True})

    assert surfer.log_in(idp) == REFUSED


def test_where_registration_is_closed_only_those_who_are_known_log_in(knowing, idp):
    store = MemoryStore()
    assert "code" in Browser(knowing(store=store)).log_in(idp)
    closed = Browser(knowing(store=store, registration="closed"))

    assert "code" in closed.log_in(idp)
    idp.user = {"sub": "another", "email": "eve@example.com", "email_verified": True}
    assert closed.log_in(idp) == {"error": "REGISTRATION_CLOSED"}


def test_a_disabled_user_gets_no_tokens(service, surfer, idp, clock):
    user_id = user_of(exchange(service, surfer.log_in(idp)))
    found = surfer.log_in(idp)
    service.app.service.backend.store.users.set_active(user_id, active=False, now=clock())

    assert outcome(exchange(service, found)) == (403, "ACCOUNT_DISABLED")


def test_a_code_of_an_identity_that_was_unlinked_is_revoked(service, surfer, idp):
    tokens = service.register("ada@work.example.com")
    linked = link(service, surfer, idp, tokens)
    found = surfer.log_in(idp)
    path = f"{IDENTITIES}/{linked.json['id']}"

    assert outcome(service.as_user("DELETE", path, tokens)) == (204, None)
    assert outcome(service.as_user("DELETE", path, tokens)) == (404, "NOT_FOUND")
    assert outcome(exchange(service, found)) == (401, "TOKEN_REVOKED")
    assert owned_by(service, tokens) == []


def test_an_identity_of_somebody_else_is_not_linked(service, surfer, idp):
    first = exchange(service, surfer.log_in(idp))
    second = service.register("ada@work.example.com")

    assert outcome(link(service, surfer, idp, second)) == (409, "IDENTITY_TAKEN")
    assert len(owned_by(service, first)) == 1


def test_a_link_of_one_provider_begins_at_no_other(knowing, idp):
    service = knowing(entry(idp), entry(idp, "other"))
    url = service.as_user(
        "POST", f"{IDENTITIES}/idp", service.register("ada@work.example.com"), json={}
    ).json["url"]

    answer = Browser(service).get(url.replace("/idp/", "/other/"))

    assert outcome(answer) == (401, "TOKEN_INVALID")


def test_linking_needs_no_address(service, surfer, idp):
    tokens = service.register("ada@work.example.com")
    idp.user = {"sub": "without an address"}

    assert link(service, surfer, idp, tokens).json["email"] is None


def test_of_twenty_exchanges_of_one_code_one_gets_tokens(service, surfer, idp):
    found, ready = surfer.log_in(idp), Barrier(THREADS)

    def run(_):
        ready.wait()
        return outcome(service.post(EXCHANGE, {"code": found["code"]}))

    with ThreadPoolExecutor(THREADS) as pool:
        outcomes = list(pool.map(run, range(THREADS)))

    assert sorted(outcomes, key=str) == [(200, None)] + [(401, "TOKEN_REVOKED")] * (THREADS - 1)


def test_new_users_of_one_identity_become_one(service, idp):
    surfers = [Browser(service) for _ in range(6)]
    parameters = [idp.visit(surfer.begin()) for surfer in surfers]
    ready = Barrier(len(surfers))

    def come_back(surfer, sent):
        ready.wait()
        return outcome_of(surfer.come_back(**sent))

    with ThreadPoolExecutor(len(surfers)) as pool:
        found = list(pool.map(come_back, surfers, parameters))

    assert len({user_of(exchange(service, each)) for each in found}) == 1


def test_where_to_return_to_is_checked_for_a_link_too(service):
    tokens = service.register("ada@work.example.com")

    def start(return_to):
        body = {"return_to": return_to}
        return outcome(service.as_user("POST", f"{IDENTITIES}/idp", tokens, json=body))

    assert start("https://evil.example") == (422, "VALIDATION_FAILED")
    assert start(RETURN_TO) == (200, None)


def test_a_second_factor_is_asked_for_and_the_code_is_spent(service, surfer, idp, clock):
    tokens = service.register("ada@work.example.com")
    link(service, surfer, idp, tokens)
    made = service.as_user("POST", "/api/v1/auth/factors/totp", tokens, json={"name": "App"}).json
    code = pyotp.TOTP(made["secret"]).at(int(clock()))
    path = f"/api/v1/auth/factors/totp/{made['id']}/confirm"
    service.as_user("POST", path, tokens, json={"code": code})
    found = surfer.log_in(idp)

    assert outcome(exchange(service, found)) == (401, "SECOND_FACTOR_REQUIRED")
    assert outcome(exchange(service, found)) == (401, "TOKEN_REVOKED")


def test_an_address_that_is_unverified_here_gets_no_tokens_where_that_is_required(knowing, idp):
    """Of a user who linked the provider before the setting asked for a proof."""
    store = MemoryStore()
    before = knowing(store=store)
    link(before, Browser(before), idp, before.register("ada@work.example.com"))
    mail = {"mail_url": "smtp://127.0.0.1:9", "mail_from": "auth@example.com"}
    service = knowing(store=store, email_verification="required", **mail)

    found = Browser(service).log_in(idp)

    assert outcome(exchange(service, found)) == (403, "EMAIL_NOT_VERIFIED")


def test_a_provider_that_is_unknown_to_a_later_file_is_gone(knowing, idp):
    store = MemoryStore()
    assert "code" in Browser(knowing(store=store)).log_in(idp)
    service = knowing(entry(idp, "renamed"), store=store)

    assert outcome(Browser(service).get(LOGIN)) == (404, "NOT_FOUND")
    assert "code" in Browser(service).log_in(idp, "renamed")  # By issuer and subject.
