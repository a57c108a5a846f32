"""Register, log in, be guarded, refresh, log out: the path that every client walks."""

from conftest import EMAIL, outcome


def test_a_new_user_is_logged_in(client):
    registration = client.register()

    assert registration.status_code == 201
    assert registration.json["message"] == "User registered"
    assert registration.json["email"] == EMAIL
    assert client.profile(registration).status_code == 200


def test_logging_in_gives_tokens_that_open_guarded_resources(client, user):
    tokens = client.login()

    assert tokens.status_code == 200
    assert tokens.json["token_type"] == "bearer"
    assert client.profile(tokens).json["email"] == EMAIL
    granted = client.as_user("GET", "/protected", tokens)
    assert granted.json == {"message": "Access granted", "user": EMAIL}


def test_refreshing_spends_the_token_and_hands_out_its_successor(client, user):
    successor = client.refresh(user)

    assert successor.status_code == 200
    assert successor.json["refresh_token"] != user.json["refresh_token"]
    assert client.profile(successor).status_code == 200


def test_logging_out_ends_both_tokens_at_once(client, user):
    assert client.logout(user).status_code == 204

    assert outcome(client.profile(user)) == (401, "TOKEN_REVOKED")
    assert outcome(client.refresh(user)) == (401, "TOKEN_REVOKED")
    assert client.logout(user).status_code == 204
