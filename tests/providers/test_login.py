"""Log-in by a provider that tells the truth, from the button to the tokens."""

from provider_words import exchange


def test_the_front_end_learns_which_providers_there_are(service):
    answer = service.simulate_get("/api/v1/auth/providers")

    assert answer.json == {"providers": [{"name": "idp", "title": "The Provider"}]}


def test_a_new_user_logs_in_by_a_provider(service, surfer, idp):
    found = surfer.log_in(idp)

    tokens = exchange(service, found)

    assert tokens.status_code == 200
    assert tokens.json["user"]["email"] == "ada@example.com"
    assert tokens.json["user"]["email_verified"]
    assert service.sessions(tokens)[0]["amr"] == ["fed"]
    assert surfer.cookies == {}
