"""`users remove-factors`, `keys reencrypt` and `secret --encryption`, on a real database."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from commanding import run_command
from conftest import EMAIL, PASSWORD, SECRET_KEY, Client, settings_for
from processes import run_python

from falcon_auth.factors.encryption import SecretBox, UndecryptableError, make_key
from falcon_auth.service import create_app
from falcon_auth.testing.factors import App

FACTORS, FACTOR = "/api/v1/auth/factors", "/api/v1/auth/login/factor"


@pytest.fixture
def keys():
    """The old key, and the new one."""
    return make_key(), make_key()


@pytest.fixture
def serve(tmp_path, clock):
    """Serve a database of this test with the given ENCRYPTION_KEYS."""
    built = []

    def start(*encryption_keys):
        app = create_app(
            settings_for(
                database_url=f"sqlite:///{tmp_path}/auth.db", encryption_keys=encryption_keys
            ),
            clock=clock,
        )
        built.append(app)
        return Client(app)

    yield start
    for app in built:
        app.service.close()


def add_app(client, clock, email=EMAIL):
    user = client.register(email)
    made = client.as_user("POST", f"{FACTORS}/totp", user, json={"name": "App"}).json
    app = App(made["id"], made["secret"], clock)
    path = f"{FACTORS}/totp/{app.id}/confirm"
    codes = client.as_user("POST", path, user, json={"code": app.code()}).json["recovery_codes"]
    app.recovery_codes = codes
    return app


def finish(client, code, email=EMAIL):
    challenge = client.login(email).json["challenge"]
    return client.post(FACTOR, {"challenge": challenge, "code": code}).status_code


def command(tmp_path, *arguments, encryption_keys=(), run=run_command):
    return run(
        *arguments,
        cwd=tmp_path,
        JWT_SECRET_KEY=SECRET_KEY,
        DATABASE_URL=f"sqlite:///{tmp_path}/auth.db",
        ENCRYPTION_KEYS=",".join(encryption_keys),
    )


def test_keys_rotate_by_prepending_while_users_log_in(serve, tmp_path, clock, keys):
    old, new = keys
    apps = [add_app(serve(old), clock, f"user{number}@example.com") for number in range(4)]
    both = serve(new, old)

    with ThreadPoolExecutor(5) as pool:
        reencrypt = ("-m", "falcon_auth", "keys", "reencrypt")  # In a process of its own.
        running = pool.submit(
            command, tmp_path, *reencrypt, encryption_keys=(new, old), run=run_python
        )
        during = list(
            pool.map(
                lambda number: finish(
                    both, apps[number].recovery_codes[0], f"user{number}@example.com"
                ),
                range(4),
            )
        )
        done = running.result()

    assert during == [200] * 4
    assert (done.returncode, done.stdout) == (0, "8 re-encrypted\n"), done.stderr
    clock.advance(seconds=30)
    only_new = serve(new)
    for number, app in enumerate(apps):
        assert finish(only_new, app.code(), f"user{number}@example.com") == 200
        assert finish(only_new, app.recovery_codes[1], f"user{number}@example.com") == 200


def test_a_missing_encryption_key_sets_the_exit_code(serve, tmp_path, clock, keys):
    old, new = keys
    add_app(serve(old), clock)

    done = command(tmp_path, "keys", "reencrypt", encryption_keys=(new,))
    none = command(tmp_path, "keys", "reencrypt")

    assert done.returncode == 1
    assert "2 need a key that ENCRYPTION_KEYS lacks" in done.stderr
    assert (none.returncode, "ENCRYPTION_KEYS: is not set" in none.stderr) == (1, True)


def test_an_operator_removes_the_factors_of_a_user_who_lost_them(serve, tmp_path, clock, keys):
    client = serve(keys[0])
    add_app(client, clock)

    done = command(tmp_path, "users", "remove-factors", EMAIL, encryption_keys=keys[:1])
    nobody = command(tmp_path, "users", "remove-factors", "x@y.example", encryption_keys=keys[:1])

    assert (done.returncode, done.stdout) == (0, "1 removed\n"), done.stderr
    assert client.login(EMAIL, PASSWORD).status_code == 200
    assert nobody.returncode == 1


def test_the_printed_key_is_one_of_encryption_keys(tmp_path):
    printed = run_command("secret", "--encryption", cwd=tmp_path).stdout

    settings_for(encryption_keys=printed.strip())


# --- Encryption at rest


def test_a_secret_is_bound_to_what_it_belongs_to(keys):
    box = SecretBox(keys)
    sealed = box.encrypt(b"secret", "totp ada 1")

    assert box.decrypt(sealed, "totp ada 1") == b"secret"
    assert SecretBox(keys[::-1]).decrypt(sealed, "totp ada 1") == b"secret"
    assert box.encrypt(b"secret", "totp ada 1") != sealed
    for text, owner in [
        (sealed, "totp eve 1"),
        (sealed[:-4], "totp ada 1"),
        (sealed.replace("1.", "2.", 1), "totp ada 1"),
        ("", "totp ada 1"),
        (f"{sealed.rpartition('.')[0]}.", "totp ada 1"),
    ]:
        with pytest.raises(UndecryptableError):
            box.decrypt(text, owner)
    with pytest.raises(UndecryptableError):
        SecretBox([make_key()]).decrypt(sealed, "totp ada 1")


@pytest.mark.parametrize("bad", [(), ("short",), ("x" * 42 + "!",), ("A" * 42 + "B",)])
def test_keys_are_checked_strictly(bad):
    with pytest.raises(ValueError, match="base64url"):
        SecretBox(bad)
