"""The hashing queue is shared by clients: what a flood from one address costs the others."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from busy_pool import PATIENCE_SECONDS, occupied, until
from conftest import EMAIL, PASSWORD, outcome

from falcon_auth.passwords import HashingPool

FLOODER, OTHER = "192.0.2.1", "198.51.100.7"


@pytest.fixture
def callers():
    with ThreadPoolExecutor(160) as executor:
        yield executor


@pytest.fixture
def send(client, callers):
    """Send a request that hashes; give the future of its answer when it waits in the queue."""
    pool = client.app.service.pool

    def sending(request, *arguments, **options):
        depth = pool.depth
        future = callers.submit(request, *arguments, **options)
        until(lambda: pool.depth == depth + 1)
        return future

    return sending


@pytest.fixture
def client(make_client):
    client = make_client(hash_workers=1, hash_queue_size=128)
    client.register()
    return client


def test_128_waiting_requests_of_one_client_do_not_get_anothers_log_in_refused(
    client, callers, send
):
    answered = []

    def login(address):
        answer = client.login(remote_addr=address)
        answered.append((address, outcome(answer)))
        return answer

    with occupied(client.app.service.pool, callers):
        flood = [send(login, FLOODER) for _ in range(128)]
        assert outcome(login(FLOODER)) == (503, "OVERLOADED")
        other = callers.submit(login, OTHER)
        shed = flood[-1].result(PATIENCE_SECONDS)

    assert outcome(shed) == (503, "OVERLOADED")
    assert int(shed.headers["Retry-After"]) >= 1
    assert other.result().status_code == 200
    assert [future.result().status_code for future in flood[:-1]] == [200] * 127
    assert answered.index((OTHER, (200, None))) < 10  # Two refusals, and hardly anyone else.


class RecordingPool(HashingPool):
    """Writes down for whom each job is run."""

    def __init__(self):
        super().__init__(1, 1)
        self.clients = []

    def run(self, job, *, client, **options):
        self.clients.append(client)
        return super().run(job, client=client, **options)


@pytest.mark.parametrize(
    ("act", "trips"),
    [
        (lambda client, _user, **frm: client.login(**frm), 1),
        (lambda client, _user, **frm: client.register("new@example.com", **frm), 1),
        (
            lambda client, user, **frm: client.as_user(
                "PUT",
                "/api/v1/auth/password",
                user,
                json={"current_password": PASSWORD, "new_password": "staple battery horse"},
                **frm,
            ),
            2,
        ),
    ],
    ids=["log-in", "registration", "password change"],
)
def test_every_trip_to_the_pool_tells_whose_it_is(client, act, trips):
    user = client.login()
    pool = RecordingPool()
    client.app.service.passwords._pool = pool  # noqa: SLF001 - the one collaborator to watch

    answer = act(client, user, remote_addr=f"::ffff:{OTHER}")
    pool.close(PATIENCE_SECONDS)

    assert answer.status_code < 300
    assert pool.clients == [OTHER] * trips


def test_addresses_of_one_ipv6_subscriber_share_as_one_client(client, callers, send):
    """As the throttle counts them: per /56."""
    with occupied(client.app.service.pool, callers):
        flood = [
            send(client.login, remote_addr=f"2001:db8:0:{number:x}::1") for number in range(128)
        ]
        answer = client.login(remote_addr="2001:db8:0:ff::9")
        assert not any(future.done() for future in flood)

    assert outcome(answer) == (503, "OVERLOADED")


def test_being_shed_tells_nothing_about_the_account(make_client, callers):
    """Known or unknown, right or wrong, disabled: the same answer, at the same moment."""
    client = make_client(hash_workers=1, hash_queue_size=3)
    client.register()
    disabled = client.register("disabled@example.com").json["user"]["id"]
    service = client.app.service
    service.store.users.set_active(disabled, active=False, now=0)
    answers = []

    for email, password in [
        (EMAIL, PASSWORD),
        (EMAIL, "wrong password"),
        ("unknown@example.com", PASSWORD),
        ("disabled@example.com", PASSWORD),
    ]:
        with occupied(service.pool, callers):
            for depth in (2, 3):
                callers.submit(client.login, remote_addr=FLOODER)
                until(lambda depth=depth: service.pool.depth == depth)
            shed = callers.submit(client.login, email, password, remote_addr=FLOODER)
            until(lambda: service.pool.depth == 4)
            callers.submit(client.login, remote_addr=OTHER)
            answers.append(shed.result(PATIENCE_SECONDS))
        until(lambda: service.pool.depth == 0)

    first, *others = answers
    assert outcome(first) == (503, "OVERLOADED")
    for answer in others:
        assert told(answer) == told(first)


def told(answer):
    """What a client learns, less what names the request."""
    headers = {name: value for name, value in answer.headers.items() if name != "x-request-id"}
    return (
        answer.status_code,
        headers.keys(),
        headers["retry-after"],
        set(answer.json),
        {name: value for name, value in answer.json.items() if name in {"code", "title", "detail"}},
    )
