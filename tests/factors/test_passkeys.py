"""Passkeys: the ceremonies, and conformance cases that a server has to refuse (WebAuthn, 7)."""

import json
from dataclasses import replace

import cbor2
import pytest
from conftest import EMAIL, PASSWORD, Client, outcome, settings_for
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from falcon_auth.keys.jws import decode_segment, encode_segment
from falcon_auth.service import create_app
from falcon_auth.testing.authenticator import EDDSA, ES256, RS256, Authenticator
from falcon_auth.testing.service import TestService

FACTORS = "/api/v1/auth/factors"
PASSKEYS = f"{FACTORS}/passkeys"
PASSKEY, FACTOR, CONFIRM = (
    "/api/v1/auth/passkey",
    "/api/v1/auth/login/factor",
    "/api/v1/auth/confirm",
)
INVALID = (401, "FACTOR_INVALID")


@pytest.fixture
def service(clock):
    with TestService({"rate_limit_enabled": False}, clock) as service:
        yield service


@pytest.fixture
def ada(service):
    return service.new_user(EMAIL)


@pytest.fixture
def device(service, ada):
    """The device that has Ada's passkey."""
    return service.add_passkey(ada)


def send(service, path, body=None, user=None):
    headers = user.headers if user else {}
    return service.client.simulate_post(path, json=body, headers=headers)


def passkey_login(service, device, change=None, **options):
    offered = send(service, f"{PASSKEY}/options").json | options
    credential = device.get(offered)
    if change is not None:
        change(credential)
    # Escaped to ASCII, so that lone surrogates can be sent as well.
    return service.client.simulate_post(
        f"{PASSKEY}/login",
        body=json.dumps({"credential": credential}),
        headers={"Content-Type": "application/json"},
    )


def register(service, user, device, change=None, **options):
    offered = send(service, f"{PASSKEYS}/options", user=user).json | options
    credential = device.create(offered)
    if change is not None:
        change(credential)
    return send(service, PASSKEYS, {"name": "Laptop", "credential": credential}, user)


def attested(change):
    """Return what changes the members of an attestation object."""

    def apply(credential):
        members = cbor2.loads(decode_segment(credential["response"]["attestationObject"]))
        changed = change(members)
        data = changed if isinstance(changed, bytes) else cbor2.dumps(changed)
        credential["response"]["attestationObject"] = encode_segment(data)

    return apply


def challenge_of(service):
    body = {"email": EMAIL, "password": PASSWORD}
    return send(service, "/api/v1/auth/login", body).json["challenge"]


def factor_login(service, device, challenge=None):
    challenge = challenge or challenge_of(service)
    options = send(service, f"{FACTOR}/options", {"challenge": challenge}).json
    body = {"challenge": challenge, "credential": device.get(options)}
    return send(service, FACTOR, body)


# --- What is right


@pytest.mark.parametrize("algorithm", [ES256, EDDSA, RS256])
@pytest.mark.parametrize(("synced", "method"), [(False, "hwk"), (True, "swk")])
def test_a_passkey_alone_logs_in_as_two_factors(service, ada, algorithm, synced, method):
    device = service.add_passkey(ada, Authenticator(algorithm=algorithm, synced=synced))

    tokens = passkey_login(service, device)

    assert tokens.status_code == 200
    claims = service.app.service.codec.verify_access(tokens.json["access_token"])
    assert claims.amr == (method, "mfa")


def test_a_passkey_is_a_second_factor(service, device):
    tokens = factor_login(service, device)

    claims = service.app.service.codec.verify_access(tokens.json["access_token"])
    assert claims.amr == ("pwd", "hwk", "mfa")


def test_a_passkey_confirms(service, ada, device, clock):
    clock.advance(minutes=11)
    options = send(service, f"{CONFIRM}/options", user=ada).json

    confirmed = send(service, CONFIRM, {"credential": device.get(options)}, ada)

    claims = service.app.service.codec.verify_access(confirmed.json["access_token"])
    assert (claims.auth_time, claims.amr) == (int(clock()), ("pwd", "hwk", "mfa"))


def test_a_passkey_without_a_counter_logs_in_again_and_again(service, ada):
    device = service.add_passkey(ada, Authenticator(counts=False))

    assert [passkey_login(service, device).status_code for _ in range(3)] == [200] * 3


def test_options_ask_for_verification_and_name_known_passkeys(service, ada, device):
    creation = send(service, f"{PASSKEYS}/options", user=ada).json
    request = send(service, f"{FACTOR}/options", {"challenge": challenge_of(service)}).json

    assert creation["authenticatorSelection"]["userVerification"] == "required"
    assert creation["authenticatorSelection"]["residentKey"] == "required"
    assert [each["alg"] for each in creation["pubKeyCredParams"]] == [-8, -7, -257]
    known = [encode_segment(device.passkeys[0].id)]
    assert [each["id"] for each in creation["excludeCredentials"]] == known
    assert [each["id"] for each in request["allowCredentials"]] == known
    assert request["userVerification"] == "required"


def test_a_self_attestation_is_accepted_and_a_chain_is_not(service, ada):
    def with_chain(members):
        members["fmt"], members["attStmt"] = "packed", {"alg": -7, "sig": b"x", "x5c": [b"cert"]}
        return members

    assert outcome(register(service, ada, Authenticator(), attested(with_chain))) == INVALID


# --- What is wrong


@pytest.mark.parametrize(
    "wrong",
    [
        {"origin": "https://evil.example"},
        {"origin": "http://localhost:9000"},
        {"origin": "https://localhost:8000"},
        {"origin": "http://localhost:8000/"},
        {"rp_id": "evil.example"},
        {"flags": 1},  # No user verification.
        {"flags": 4},  # No user presence.
        {"flags": 5 | 16},  # Backed up, and not eligible for it.
        {"client_data": {"crossOrigin": True}},
        {"client_data": {"topOrigin": "https://evil.example"}},
        {"client_data": {"type": "webauthn.create"}},
        {"client_data": {"type": "payment.get"}},
    ],
)
def test_an_invalid_passkey_ceremony_does_not_log_in(service, device, wrong):
    wrong_device = replace(device, **wrong)

    assert outcome(passkey_login(service, wrong_device)) == INVALID
    assert outcome(factor_login(service, wrong_device)) == INVALID
    assert passkey_login(service, device).status_code == 200


@pytest.mark.parametrize(
    "wrong",
    [
        {"origin": "https://evil.example"},
        {"rp_id": "evil.example"},
        {"flags": 1},
        {"client_data": {"crossOrigin": True}},
        {"client_data": {"type": "webauthn.get"}},
    ],
)
def test_a_wrong_ceremony_registers_nothing(service, ada, wrong):
    assert outcome(register(service, ada, Authenticator(**wrong))) == INVALID


def test_a_challenge_works_once(service, ada, device):
    """A synced passkey has no counter, so that nothing else would stop a replay."""
    device = service.add_passkey(ada, Authenticator(counts=False))
    credential = device.get(send(service, f"{PASSKEY}/options").json)
    body = {"credential": credential}

    assert send(service, f"{PASSKEY}/login", body).status_code == 200
    assert outcome(send(service, f"{PASSKEY}/login", body)) == INVALID


def test_a_registration_works_once(service, ada):
    options = send(service, f"{PASSKEYS}/options", user=ada).json
    credential = Authenticator().create(options)
    body = {"name": "Laptop", "credential": credential}

    assert send(service, PASSKEYS, body, ada).status_code == 201
    assert outcome(send(service, PASSKEYS, body, ada)) == INVALID
    other = {"name": "Other", "credential": Authenticator().create(options)}
    assert outcome(send(service, PASSKEYS, other, ada)) == INVALID


def test_a_challenge_is_for_one_purpose_one_log_in_and_five_minutes(service, ada, device, clock):
    alone = send(service, f"{PASSKEY}/options").json
    first, second = challenge_of(service), challenge_of(service)
    of_first = send(service, f"{FACTOR}/options", {"challenge": first}).json
    made_up = {"challenge": encode_segment(b"made up")}

    answers = [
        send(service, FACTOR, {"challenge": first, "credential": device.get(alone)}),
        send(service, FACTOR, {"challenge": second, "credential": device.get(of_first)}),
        send(service, f"{PASSKEY}/login", {"credential": device.get(of_first)}),
        send(service, CONFIRM, {"credential": device.get(of_first)}, ada),
        send(service, f"{PASSKEY}/login", {"credential": device.get(made_up)}),
    ]
    clock.advance(minutes=5, seconds=31)
    late = send(service, f"{PASSKEY}/login", {"credential": device.get(alone)})

    assert [outcome(each) for each in answers] == [(401, "TOKEN_INVALID")] * 5
    assert outcome(late) == (401, "TOKEN_EXPIRED")


def test_another_users_passkey_is_refused_as_second_factor(service, ada, device):
    eve = service.new_user("eve@example.com")
    theirs = service.add_passkey(eve)

    challenge = challenge_of(service)
    options = send(service, f"{FACTOR}/options", {"challenge": challenge}).json
    body = {"challenge": challenge, "credential": theirs.get(options)}

    assert outcome(send(service, FACTOR, body)) == INVALID


def test_the_user_handle_is_that_of_the_passkeys_owner(service, device):
    eve = service.new_user("eve@example.com")
    handle = encode_segment(bytes.fromhex(eve.id.replace("-", "")))

    def of_eve(credential):
        credential["response"]["userHandle"] = handle

    def of_nobody(credential):
        del credential["response"]["userHandle"]

    assert outcome(passkey_login(service, device, of_eve)) == INVALID
    assert outcome(passkey_login(service, device, of_nobody)) == INVALID


def test_a_passkey_belongs_to_one_user(service, device):
    eve = service.new_user("eve@example.com")

    mine = device.passkeys[0].id

    def as_mine(members):
        data = members["authData"]
        members["authData"] = data[:55] + mine + data[71:]
        return members

    assert outcome(register(service, eve, Authenticator(), attested(as_mine))) == INVALID
    assert passkey_login(service, device).status_code == 200


def test_an_unknown_passkey_is_refused(service, device):
    stranger = Authenticator()
    stranger.create({"user": {"id": "AAAA"}, "challenge": "AAAA"})
    stranger.passkeys[0].user_handle = device.passkeys[0].user_handle

    assert outcome(passkey_login(service, stranger)) == INVALID


@pytest.mark.parametrize("count", [0, 4, 5])
def test_a_sign_count_that_goes_back_is_refused_and_logged(service, device, logged, count):
    device.passkeys[0].count = 4
    assert passkey_login(service, device).status_code == 200
    device.passkeys[0].count = count - 1 if count else 0
    device.counts = bool(count)

    assert outcome(passkey_login(service, device)) == INVALID
    assert logged.events("passkey_cloned")


def test_a_wrong_signature_does_not_log_passkey_cloned(service, device, logged):
    def forged(credential):
        credential["response"]["signature"] = encode_segment(b"forged")

    device.passkeys[0].count = 5
    passkey_login(service, device)
    device.passkeys[0].count = 0

    assert outcome(passkey_login(service, device, forged)) == INVALID
    assert not logged.events("passkey_cloned")


def test_backup_eligibility_does_not_change(service, device):
    assert outcome(passkey_login(service, replace(device, synced=True))) == INVALID


def test_a_disabled_users_passkey_says_so_once_it_is_right(service, device):
    service.app.service.administration.set_active(EMAIL, active=False)

    assert outcome(passkey_login(service, device)) == (403, "ACCOUNT_DISABLED")


def test_wrong_signatures_count_as_failed_attempts(clock):
    with TestService({}, clock) as service:
        device = service.add_passkey(service.new_user(EMAIL))
        wrong = replace(device, origin="https://evil.example")

        for _ in range(5):
            assert outcome(passkey_login(service, wrong)) == INVALID

        assert outcome(passkey_login(service, device)) == (429, "RATE_LIMITED")


# --- Hostile input


def cose_key(change):
    """Return what puts another key into the attested credential data."""

    def apply(members):
        data = members["authData"]
        key = cbor2.loads(data[71:])
        members["authData"] = data[:71] + cbor2.dumps(change(key))
        return members

    return attested(apply)


def rsa_key(bits):
    numbers = rsa.generate_private_key(65537, bits).public_key().public_numbers()
    modulus = numbers.n.to_bytes((bits + 7) // 8, "big")
    return {1: 3, 3: RS256, -1: modulus, -2: b"\1\0\1"}


def p384_key():
    point = ec.generate_private_key(ec.SECP384R1()).public_key().public_numbers()
    x, y = point.x.to_bytes(48, "big"), point.y.to_bytes(48, "big")
    return {1: 2, 3: ES256, -1: 2, -2: x, -3: y}


@pytest.mark.parametrize(
    "change",
    [
        lambda key: key | {-2: bytes(32)},  # Off the curve.
        lambda key: key | {-3: b"short"},
        lambda key: key | {3: EDDSA},
        lambda key: {1: 1, 3: EDDSA, -1: 6, -2: bytes(31)},
        lambda _key: rsa_key(1024),
        lambda _key: {1: 3, 3: RS256, -1: b"\xff" * 600, -2: b"\1\0\1"},
        lambda _key: p384_key(),
        lambda _key: {},
        lambda _key: "a text",
        lambda key: key | {3: -65535},
    ],
)
def test_a_public_key_that_is_not_fit_is_not_kept(service, ada, change):
    assert outcome(register(service, ada, Authenticator(), cose_key(change))) == INVALID


@pytest.mark.parametrize(
    "change",
    [
        lambda _m: b"",
        lambda m: cbor2.dumps(m)[:-20],  # Truncated.
        lambda m: cbor2.dumps(m) + b"\0" * 20,  # Over-long.
        lambda _m: b"\x81" * 3000,  # Nested without end.
        lambda _m: b"\xbb" + b"\xff" * 8,  # A map of 2^64-1 members.
        lambda _m: b"\x5b\x7f" + b"\xff" * 7 + b"x",  # A text of 2^63-1 bytes.
        lambda _m: b"\xa3\x63fmt",
        lambda m: m | {"authData": m["authData"][:40]},
        lambda m: m | {"authData": m["authData"][:53] + b"\xff\xff" + m["authData"][55:]},
        lambda m: m | {"authData": "text"},
        lambda m: m | {"fmt": "tpm", "attStmt": {}},
        lambda m: m | {"fmt": "unknown"},
        lambda m: m | {"fmt": 5},
        lambda _m: [1, 2],
    ],
)
def test_hostile_cbor_is_refused_as_any_wrong_passkey(service, ada, logged, change):
    assert outcome(register(service, ada, Authenticator(), attested(change))) == INVALID
    assert not logged.events("internal_error")


@pytest.mark.parametrize("length", [1, 1023, 1024, 3000])
def test_the_id_of_a_passkey_has_1023_bytes_at_most(service, ada, length):
    def long(members):
        data = members["authData"]
        members["authData"] = data[:53] + length.to_bytes(2, "big") + b"i" * length + data[71:]
        return members

    expected = (201, None) if length <= 1023 else INVALID

    def matching(credential):
        attested(long)(credential)
        credential["rawId"] = credential["id"] = encode_segment(b"i" * length)

    answer = register(service, ada, Authenticator(), matching)
    assert outcome(answer) in (expected, (422, "VALIDATION_FAILED"))


def client_data(text):
    def apply(credential):
        credential["response"]["clientDataJSON"] = encode_segment(text)

    return apply


@pytest.mark.parametrize(
    "change",
    [
        client_data(b"{}"),
        client_data(b"[]"),
        client_data(b"not json"),
        client_data(b"[" * 5000),
        client_data(b'{"challenge": 5}'),
        client_data(b'{"challenge": "AAAA", "challenge": "AAAA"}'),
        lambda c: c.update(rawId="!"),
        lambda c: c.update(rawId="\ud800"),
        lambda c: c["response"].update(signature="AA"),
        lambda c: c["response"].update(authenticatorData="AA"),
        lambda c: c["response"].update(userHandle="AA"),
        lambda c: c["response"].update(userHandle=5),
        lambda c: c["response"].update(transports=5),
        lambda c: c["response"].pop("signature"),
        lambda c: c["response"].pop("authenticatorData"),
        lambda c: c["response"].update(clientDataJSON="A"),
    ],
)
def test_a_hostile_credential_is_a_wrong_one_and_no_fault_of_ours(service, device, logged, change):
    answer = passkey_login(service, device, change)

    assert outcome(answer) in (INVALID, (401, "TOKEN_INVALID"))
    assert not logged.events("internal_error")


def test_members_that_browsers_add_are_passed_over(service, device):
    def richer(credential):
        credential["new"] = {"deep": [[[[]]]]}
        credential["response"]["publicKeyAlgorithm"] = -7
        credential["response"]["transports"] = ["internal", "telepathy", 5]

    assert passkey_login(service, device, richer).status_code == 200


def test_a_challenge_of_a_credential_is_read_strictly(service, device):
    """What is checked here is what the library reads: no other spelling of the same text."""

    def padded(credential):
        data = decode_segment(credential["response"]["clientDataJSON"])
        members = json.loads(data)
        credential["response"]["clientDataJSON"] = encode_segment(
            json.dumps(members | {"crossOrigin": 1}).encode()
        )

    assert outcome(passkey_login(service, device, padded)) == INVALID


def test_options_for_a_log_in_without_a_passkey_are_404(service, ada):
    service.add_app(ada)

    answer = send(service, f"{FACTOR}/options", {"challenge": challenge_of(service)})

    assert outcome(answer) == (404, "NOT_FOUND")


def test_a_passkey_does_not_log_in_before_a_required_verification_of_the_address(
    clock, mail_settings
):
    with TestService({"rate_limit_enabled": False}, clock) as service:
        device = service.add_passkey(service.new_user(EMAIL))
        store = service.app.service.store
        strict = create_app(
            settings_for(
                rate_limit_enabled=False,
                email_verification="required",
                **mail_settings,
            ),
            clock=clock,
            store=store,
        )
        client = Client(strict)

        def log_in():
            offered = client.simulate_post(f"{PASSKEY}/options").json
            return client.post(f"{PASSKEY}/login", {"credential": device.get(offered)})

        assert outcome(log_in()) == (403, "EMAIL_NOT_VERIFIED")
        store.users.verify_email(store.users.find_by_email(EMAIL), now=clock())
        assert outcome(log_in()) == (200, None)
        strict.service.close()
