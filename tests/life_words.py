"""Requests of the life of an account, in the words of the contract."""

AUTH = "/api/v1/auth"
NEW_PASSWORD = "a quite different phrase"


def forgot(client, email, **more):
    return client.post(f"{AUTH}/password/forgot", {"email": email}, **more)


def reset(client, token, new_password=NEW_PASSWORD):
    return client.post(f"{AUTH}/password/reset", {"token": token, "new_password": new_password})


def verify(client, token, password=None, *, bearer=None):
    body = {"token": token} | ({} if password is None else {"password": password})
    headers = {} if bearer is None else {"Authorization": f"Bearer {bearer}"}
    return client.post(f"{AUTH}/email/verify", body, headers)


def send_verification(client, user):
    return client.as_user("POST", f"{AUTH}/email/verification", user)


def change_email(client, user, new_email):
    return client.as_user("POST", f"{AUTH}/email/change", user, json={"new_email": new_email})


def confirm_email(client, token):
    return client.post(f"{AUTH}/email/change/confirm", {"token": token})


def account(client, user):
    return client.as_user("GET", f"{AUTH}/account", user)


def rename(client, user, username):
    return client.as_user("PATCH", f"{AUTH}/account", user, json={"username": username})


def delete_account(client, user):
    return client.as_user("DELETE", f"{AUTH}/account", user)
