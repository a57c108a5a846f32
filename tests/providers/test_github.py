"""GitHub's way, whose API says who the user is and which addresses the user has."""

import pytest
from conftest import outcome
from lying_provider import Browser, Said, entry
from provider_words import exchange

USER, EMAILS = "/api/v3/user", "/api/v3/user/emails"
REFUSED = {"error": "PROVIDER_REFUSED"}
UNVERIFIED = {"error": "PROVIDER_EMAIL_UNVERIFIED"}


def address(email, *, primary=False, verified=True):
    return {"email": email, "primary": primary, "verified": verified, "visibility": None}


@pytest.fixture
def service(knowing, idp):
    """A service with a GitHub Enterprise Server."""
    idp.says[EMAILS] = Said(
        body=[address("old@example.com"), address("ada@example.com", primary=True)]
    )
    return knowing(entry(idp, "hub", preset="github"))


@pytest.fixture
def log_in(service, idp):
    return lambda: Browser(service).log_in(idp, "hub")


def test_a_user_is_known_by_the_number_and_by_the_primary_address(service, log_in, idp):
    first = exchange(service, log_in()).json["user"]
    idp.says[USER] = Said(body={"id": 4711, "login": "another-name"})
    again = exchange(service, log_in()).json["user"]

    assert first["email"] == "ada@example.com"
    assert again["id"] == first["id"]
    owned = service.app.service.backend.store.identities.list_of(first["id"])
    assert [(each.issuer, each.subject) for each in owned] == [(idp.url, "4711")]


@pytest.mark.parametrize(
    "emails",
    [
        [],
        [address("ada@example.com")],
        [address("ada@example.com", primary=True, verified=False), address("b@example.com")],
        [address("ada@example.com", primary=True, verified="yes")],
        [address(None, primary=True)],
        [address("x" * 255, primary=True)],
        [address("no address", primary=True)],
    ],
    ids=str,
)
def test_without_a_verified_primary_address_no_user_is_made(log_in, idp, emails):
    idp.says[EMAILS] = Said(body=emails)

    assert log_in() == UNVERIFIED


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (USER, {"login": "ada"}),
        (USER, {"id": "4711"}),
        (USER, {"id": True}),
        (USER, []),
        (EMAILS, {"message": "Not Found"}),
        (EMAILS, [{"email": "ada@example.com"}]),
        ("/login/oauth/access_token", {"error": "bad_verification_code"}),
        ("/login/oauth/access_token", {}),
    ],
    ids=str,
)
def test_what_the_api_must_not_say_is_refused(log_in, idp, path, said):
    idp.says[path] = Said(body=said)

    assert log_in() == REFUSED


def test_a_callback_without_a_code_asks_nobody(service, idp):
    surfer = Browser(service)
    state = idp.visit(surfer.begin("hub"))["state"]

    answer = surfer.come_back("hub", state=state)

    assert outcome(answer) == (303, None)
    assert answer.headers["Location"].endswith("#error=PROVIDER_REFUSED")
    assert idp.asked == []
