"""The memory store's file: whole or refused, for one process and its owner's eyes alone."""

from __future__ import annotations

import errno
import json
import os
import signal
import stat
import subprocess
import sys
from contextlib import closing
from dataclasses import asdict
from threading import Barrier, Thread

import pytest
from conftest import outcome
from factor_records import new_factor, with_app
from hypothesis import given
from hypothesis import strategies as st
from identity_records import new_identity
from processes import (
    EMAIL,
    PASSWORD,
    PATIENCE,
    ROOT,
    UNMEASURED,
    clean_environment,
    eventually,
    run_python,
)
from store_records import new_session, new_user

from falcon_auth.errors import ConfigurationError
from falcon_auth.housekeeping import Housekeeper
from falcon_auth.models import Login, Role, Session, User
from falcon_auth.stores.memory.snapshot import Snapshot, SnapshotError
from falcon_auth.stores.memory.store import MemoryStore

NEW_PASSWORD = "an even better battery"

times = st.floats(allow_nan=False, allow_infinity=False) | st.integers(0, 2**40).map(float)
text = st.text(max_size=20)


def a_user(name="ada", **changes):
    values = {
        "id": f"id-of-{name}",
        "email": f"{name}@example.com",
        "email_key": f"{name}@example.com",
        "username": None,
        "password_hash": "$2b$04$hash",
        "created_at": 1.0,
        "updated_at": 1.0,
    }
    return User(**values | changes)


def a_session(name="one", **changes):
    values = {
        "id": f"id-of-{name}",
        "user_id": "id-of-ada",
        "created_at": 1.0,
        "last_used_at": 2.0,
        "expires_at": 3.0,
    }
    return Session(**values | changes)


@st.composite
def contents(draw):
    """Users and sessions that may be in a store together."""
    names = draw(st.lists(text, max_size=6, unique=True))
    users = [
        User(
            id=f"u{number}",
            email=draw(text),
            email_key=f"{number}{name}",
            username=draw(st.none() | st.just(f"Name_{number}")),
            password_hash=draw(text),
            password_version=draw(st.integers(0, 2**70)),
            is_active=draw(st.booleans()),
            created_at=draw(times),
            updated_at=draw(times),
            last_login_at=draw(st.none() | times),
        )
        for number, name in enumerate(names)
    ]
    sessions = [
        Session(
            id=f"s{number}",
            user_id=draw(st.sampled_from(users)).id,
            generation=draw(st.integers(0, 2**70)),
            created_at=draw(times),
            last_used_at=draw(times),
            expires_at=draw(times),
            ended_at=draw(st.none() | times),
            user_agent=draw(st.none() | text),
            ip=draw(st.none() | text),
        )
        for number in range(draw(st.integers(0, 6)) if users else 0)
    ]
    return users, sessions


def store_of(users=(), sessions=()):
    store = MemoryStore()
    store.load(users, sessions)
    return store


def write(path, *records):
    """Write a file with the given records, as a service would."""
    users = [each for each in records if isinstance(each, User)]
    sessions = [each for each in records if isinstance(each, Session)]
    path.unlink(missing_ok=True)
    snapshot = Snapshot(path, store := MemoryStore())
    snapshot.load()
    store.load(users, sessions)
    assert snapshot.write() is True
    snapshot.close()
    return path.read_bytes()


def read(path):
    """Load a file into a new store and return what is in there."""
    snapshot = Snapshot(path, store := MemoryStore())
    snapshot.load()
    snapshot.close()
    return store.dump()[:2]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "users.json"


@pytest.fixture
def open_snapshot(path):
    """Open snapshots of stores, each with the file claimed and loaded."""
    opened = []

    def open_it(store=None, at=path):
        snapshot = Snapshot(at, MemoryStore() if store is None else store)
        opened.append(snapshot)
        snapshot.load()
        return snapshot

    yield open_it
    for snapshot in opened:
        snapshot.close()


def refusal(path):
    """The message of a refused file; it stays as it was, and so does what is beside it."""
    before = path.read_bytes()
    snapshot = Snapshot(path, MemoryStore())
    with pytest.raises(SnapshotError) as refused:
        snapshot.load()
    snapshot.close()  # Which writes nothing now.
    assert path.read_bytes() == before
    return str(refused.value)


# --- What goes in comes out


@given(contents())
def test_what_was_written_is_loaded(tmp_path, content):
    users, sessions = content

    write(tmp_path / "users.json", *users, *sessions)

    assert read(tmp_path / "users.json") == (users, sessions)


def test_more_records_than_a_batch_are_written_whole(path):
    users = [a_user(f"user{number}") for number in range(450)]
    sessions = [a_session(f"s{number}", user_id=users[number].id) for number in range(400)]

    write(path, *users, *sessions)

    assert read(path) == (users, sessions)


def test_roles_are_written_and_loaded(path, open_snapshot):
    store = MemoryStore()
    snapshot = open_snapshot(store)
    for role in (Role("editor", ("notes:read", "notes:write")), Role("nothing", ())):
        store.roles.define(role)
    store.users.add(a_user(roles=("editor", "nothing")))
    snapshot.close()

    loaded = MemoryStore()
    open_snapshot(loaded)

    assert loaded.roles.list() == store.roles.list()
    assert loaded.users.find("id-of-ada") == store.users.find("id-of-ada")
    assert loaded.users.find("id-of-ada").scopes == {"notes:read", "notes:write"}


def test_identities_are_written_and_loaded(path, open_snapshot):
    store = MemoryStore()
    snapshot = open_snapshot(store)
    user = a_user()
    identity = new_identity(user)
    store.identities.register(user, identity)
    assert snapshot.write_once() is False  # A chore that has nothing left to do.

    loaded = MemoryStore()
    loaded_file = json.loads(path.read_text())
    snapshot.close()
    open_snapshot(loaded)

    assert len(loaded_file["identities"]) == 1
    assert loaded.identities.find(identity.issuer, identity.subject) == (identity, user)


def test_an_identity_twice_or_without_its_user_is_refused(path, open_snapshot):
    store = MemoryStore()
    snapshot = open_snapshot(store)
    user = a_user()
    store.identities.register(user, new_identity(user))
    snapshot.close()
    written = json.loads(path.read_text())

    for changes in ({"identities": written["identities"] * 2}, {"users": [], "sessions": []}):
        path.write_text(json.dumps(written | changes))
        assert "damaged or contradictory" in refusal(path)


def test_a_missing_file_is_an_empty_store(path, open_snapshot):
    """The first write makes it, so that a place that cannot be written is seen early."""
    snapshot = open_snapshot(store := MemoryStore())

    assert store.dump()[:3] == ([], [], [])
    assert snapshot.write() is True
    assert read_users(path) == []


def test_a_file_is_written_only_after_a_change(path, open_snapshot):
    snapshot = open_snapshot(store := MemoryStore())
    store.users.add(a_user())

    assert snapshot.write() is True
    assert snapshot.write() is False


CHANGES = {
    "a user": lambda store: store.users.add(a_user("bob")),
    "a password": lambda store: store.users.change_password(
        a_user(), "another hash", keep_session="id-of-one", now=5.0
    ),
    "a role": lambda store: store.roles.define(Role("editor", ())),
    "a role's end": lambda store: (store.roles.define(Role("e", ())), store.roles.delete("e")),
    "a grant": lambda store: store.roles.change("id-of-ada", grant=["admin"], now=5.0),
    "a user disabled": lambda store: store.users.set_active("id-of-ada", active=False, now=5.0),
    "a log-in": lambda store: store.sessions.open(a_session("two"), login=Login(a_user()), limit=9),
    "a refresh": lambda store: store.sessions.rotate(
        "id-of-one", expected=0, now=2.5, expires_at=9.0
    ),
    "a log-out": lambda store: store.sessions.end("id-of-one", now=5.0),
    "all log-outs": lambda store: store.sessions.end_all_of("id-of-ada", now=5.0),
    "a sweep": lambda store: store.sessions.sweep(expired_before=9.0, ended_before=9.0, limit=9),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_kind_of_change_is_written(path, open_snapshot, change):
    """A changed password once stayed out of the file where no other session was ended by it."""
    write(path, a_user(), a_session())
    snapshot = open_snapshot(store := MemoryStore())
    CHANGES[change](store)
    expected = store.dump()[:2]

    assert snapshot.write() is True
    snapshot.close()

    assert read(path) == expected


def test_ended_sessions_are_forgotten_in_the_order_of_their_ends_after_a_restart(
    path, open_snapshot
):
    """They are in the file in the order of their log-ins."""
    write(
        path,
        a_user(),
        a_session("late", ended_at=100.0, expires_at=999.0),
        a_session("early", ended_at=10.0, expires_at=999.0),
    )
    open_snapshot(store := MemoryStore())

    store.sessions.sweep(expired_before=0.0, ended_before=50.0, limit=10)

    assert [each.id for each in store.dump()[1]] == ["id-of-late"]


# --- Who may see it


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_the_file_and_its_lock_are_for_the_owner_alone(path, umask):
    before = os.umask(umask)
    try:
        write(path, a_user())
    finally:
        os.umask(before)

    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
    assert modes == {"users.json": 0o600, "users.json.lock": 0o600}


def test_a_snapshot_readable_by_others_is_rewritten_with_mode_0600(path, open_snapshot):
    write(path, a_user())
    path.chmod(0o644)

    assert open_snapshot().write() is True

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_users(path) == [a_user()]


def test_a_left_over_of_a_crash_is_replaced_whatever_its_mode(path, open_snapshot):
    left_over = path.with_name("users.json.tmp")
    left_over.write_text("half of a")
    left_over.chmod(0o666)
    snapshot = open_snapshot(store := MemoryStore())
    store.users.add(a_user())

    snapshot.write()

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not left_over.exists()


@pytest.mark.parametrize("name", ["users.json.tmp", "users.json.lock"])
def test_a_link_that_someone_put_beside_it_is_not_followed(path, tmp_path, name):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    victim.chmod(0o644)
    path.with_name(name).symlink_to(victim)

    if name.endswith("lock"):
        with pytest.raises(SnapshotError, match="cannot be locked: Too many"):
            Snapshot(path, MemoryStore()).load()
    else:
        write(path, a_user())

    assert victim.read_text() == "precious"
    assert stat.S_IMODE(victim.stat().st_mode) == 0o644


def test_a_file_behind_a_link_stays_behind_it(path, tmp_path, open_snapshot):
    target = tmp_path / "elsewhere" / "real.json"
    target.parent.mkdir()
    path.symlink_to(target)
    snapshot = open_snapshot(store := MemoryStore())
    store.users.add(a_user())

    snapshot.write()

    assert path.is_symlink()
    assert read_users(target) == [a_user()]
    with pytest.raises(SnapshotError, match="in use already"):  # By whichever name.
        Snapshot(target, MemoryStore()).load()


def read_users(path):
    """The users in a file, read beside whoever has claimed it."""
    users = json.loads(path.read_bytes())["users"]
    return [User(**each | {"roles": tuple(each["roles"])}) for each in users]


# --- What is refused


def test_a_file_torn_at_any_byte_is_refused_and_stays(path):
    whole = write(path, a_user(), a_session())

    for length in range(len(whole) - len(b"\n")):  # The last line's end is no content.
        path.write_bytes(whole[:length])
        assert refusal(path) == "SNAPSHOT_FILE: the file is not JSON, or is truncated"


def test_a_file_damaged_at_any_byte_never_becomes_an_unexpected_error(path):
    whole = write(path, a_user(), a_session())

    for position in range(0, len(whole), 7):
        path.write_bytes(whole[:position] + b"\0" + whole[position + 1 :])
        assert refusal(path).startswith("SNAPSHOT_FILE: the file ")


FOREIGN = {
    b"": "is not JSON",
    b"[" * 100_000: "is not JSON",
    b'{"format": "falcon-auth-snapshot", "format": "x"}': "is not JSON",
    b"\xef\xbb\xbf{}": "is not JSON",
    b"\xff\xfe": "is not JSON",
    b"[]": "is not a snapshot of this service",
    b"null": "is not a snapshot of this service",
    b"{}": "is not a snapshot of this service",
    b'{"format": "another", "version": 1}': "is not a snapshot of this service",
    b'{"format": ["falcon-auth-snapshot"]}': "is not a snapshot of this service",
    b'{"format": "falcon-auth-snapshot"}': "has another version",
    b'{"format": "falcon-auth-snapshot", "version": 2}': "has another version",
    b'{"format": "falcon-auth-snapshot", "version": "1"}': "has another version",
    b'{"format": "falcon-auth-snapshot", "version": 1}': "has records that are damaged",
}


@pytest.mark.parametrize(("content", "fault"), FOREIGN.items(), ids=range(len(FOREIGN)))
def test_a_foreign_file_is_refused_with_what_is_wrong(path, content, fault):
    path.write_bytes(content)

    assert fault in refusal(path)


WRONG_RECORDS = {
    "users are no list": lambda file: file.update(users={}),
    "one member more": lambda file: file.update(groups=[]),
    "no sessions": lambda file: file.pop("sessions"),
    "a user is no object": lambda file: file["users"].append("hunter2"),
    "a user has a member more": lambda file: file["users"][0].update(role="hunter2"),
    "a user lacks one": lambda file: file["users"][0].pop("password_hash"),
    "a text is a number": lambda file: file["users"][0].update(email=1),
    "a number is a text": lambda file: file["users"][0].update(created_at="1"),
    "a whole number is none": lambda file: file["users"][0].update(password_version=1.5),
    "a truth is a number": lambda file: file["users"][0].update(is_active=1),
    "a time is null": lambda file: file["sessions"][0].update(expires_at=None),
    "two users of one e-mail": lambda file: file["users"].append(
        asdict(a_user("bob", email_key="ada@example.com"))
    ),
    "two users of one name": lambda file: file["users"].extend(
        [asdict(a_user("bob", username="Bob")), asdict(a_user("bobby", username="bOB"))]
    ),
    "two users of one id": lambda file: file["users"].append(asdict(a_user("bob", id="id-of-ada"))),
    "a session without user": lambda file: file["users"].clear(),
    "a role that is not defined": lambda file: file["users"][0].update(roles=["editor"]),
    "a session twice": lambda file: file["sessions"].append(file["sessions"][0]),
}


@pytest.mark.parametrize("wrong", WRONG_RECORDS)
def test_invalid_snapshot_records_are_refused_without_quoting_them(path, wrong):
    file = json.loads(write(path, a_user(), a_session()))
    WRONG_RECORDS[wrong](file)
    path.write_text(json.dumps(file, default=list))

    assert refusal(path) == (
        "SNAPSHOT_FILE: the file has records that are damaged or contradictory"
    )


def test_a_time_that_is_not_a_number_is_refused(path):
    """JSON has no NaN; Python's writer makes one."""
    file = json.loads(write(path, a_user()))
    file["users"][0]["created_at"] = float("nan")
    path.write_text(json.dumps(file, default=list))

    assert "is not JSON" in refusal(path)


def test_a_path_that_is_not_a_file_is_refused(path, tmp_path):
    os.mkfifo(path)  # Reading it would wait for ever.
    folder = tmp_path / "folder"
    folder.mkdir()
    loop = tmp_path / "loop"
    loop.symlink_to(loop)

    for refused, fault in [
        (path, "is not a file"),
        (folder, "is not a file"),
        (loop, "cannot be read: Too many levels of symbolic links"),
        (tmp_path / "missing" / "users.json", "cannot be locked: No such file"),
    ]:
        with pytest.raises(SnapshotError, match=fault):
            Snapshot(refused, MemoryStore()).load()


def test_a_refused_file_is_free_for_others_and_safe_from_a_late_write(path, open_snapshot):
    path.write_text("{}")
    snapshot = Snapshot(path, store_of([a_user()]))
    with pytest.raises(SnapshotError):
        snapshot.load()

    with pytest.raises(RuntimeError, match="loaded before it is written"):
        snapshot.write()
    path.unlink()
    open_snapshot()


def test_the_application_tells_a_refused_file_as_a_fault_of_the_settings(path, make_client):
    path.write_text("[]")

    with pytest.raises(ConfigurationError, match="SNAPSHOT_FILE: the file is not a snapshot"):
        make_client(snapshot_file=path)


# --- Two processes


def test_a_second_process_is_refused(start_service, path, tmp_path):
    service = start_service(SNAPSHOT_FILE=str(path))

    second = run_python(
        str(ROOT / "app.py"), cwd=tmp_path, SNAPSHOT_FILE=str(path), PORT=str(service.port)
    )

    assert second.returncode == 2
    assert "SNAPSHOT_FILE: the file is in use already" in second.stderr
    assert service.stop() == 0


FORK = """
import os, sys
from pathlib import Path
from falcon_auth.models import User
from falcon_auth.stores.memory.store import MemoryStore
from falcon_auth.stores.memory.snapshot import Snapshot

store = MemoryStore()
snapshot = Snapshot(Path(sys.argv[1]), store)
snapshot.load()

def add_and_write(name):
    store.users.add(User(id=name, email=name, email_key=name, username=None, password_hash="",
                        created_at=0.0, updated_at=0.0))
    return snapshot.write()

def forked(work):
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except OSError as error:
            os._exit(error.errno)
        os._exit(0)
    return pid

def code_of(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

first_came, first_may_end = os.pipe(), os.pipe()

def first():
    add_and_write("first")
    os.write(first_came[1], b".")
    os.read(first_may_end[0], 1)

pid = forked(first)
os.read(first_came[0], 1)
print(code_of(forked(lambda: add_and_write("beside"))))
os.write(first_may_end[1], b".")
print(code_of(pid))
print(code_of(forked(lambda: add_and_write("later"))))
try:
    snapshot.close()
except OSError as error:
    print(error.errno)
"""


def test_of_processes_forked_after_loading_one_writes(path, tmp_path):
    """A server that forks its workers would have them overwrite each other's users."""
    result = run_python("-c", FORK, str(path), cwd=tmp_path)

    expected = [errno.EWOULDBLOCK, 0, errno.ESTALE, errno.ESTALE]
    assert (result.stdout.split(), result.stderr) == ([str(each) for each in expected], "")
    assert [user.id for user in read(path)[0]] == ["first"]


def test_a_file_that_someone_changed_meanwhile_is_not_overwritten(path):
    write(path, a_user())
    snapshot = Snapshot(path, store := MemoryStore())
    snapshot.load()
    path.write_text("[]")
    store.users.add(a_user("bob"))

    with pytest.raises(OSError, match="written by another process"):
        snapshot.write()
    path.unlink()  # Taken away, nothing is lost by writing,

    assert snapshot.write() is True
    assert read_users(path) == [a_user(), a_user("bob")]
    store.users.add(a_user("eve"))
    assert snapshot.write() is True  # and what was written is known again.
    snapshot.close()


def test_two_threads_write_one_after_the_other(path, open_snapshot):
    snapshot = open_snapshot(store := MemoryStore())
    users = [a_user(f"user{number}") for number in range(40)]
    together = Barrier(4)

    def work(mine):
        together.wait(PATIENCE)
        for user in mine:
            store.users.add(user)
            snapshot.write()

    threads = [Thread(target=work, args=(users[number::4],)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)

    assert sorted(user.id for user in read_users(path)) == sorted(user.id for user in users)


# --- Faults while writing

FULL = """
import resource, sys
from pathlib import Path
from falcon_auth.models import User
from falcon_auth.stores.memory.store import MemoryStore
from falcon_auth.stores.memory.snapshot import Snapshot

store = MemoryStore()
snapshot = Snapshot(Path(sys.argv[1]), store)
snapshot.load()
store.users.add(User(id="big", email="big", email_key="big", username=None,
                    password_hash="h" * 100_000, created_at=0.0, updated_at=0.0))
unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), unlimited[1]))
try:
    snapshot.write()
except OSError as error:
    print(error.strerror)
print(sorted(each.name for each in Path(sys.argv[1]).parent.iterdir()))
before = Path(sys.argv[1]).read_bytes()
print(b"big" in before)
resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
print(snapshot.write())
snapshot.close()
"""


@pytest.mark.parametrize("room", [0, 1, 5_000, 100_000])
def test_a_write_that_finds_no_room_leaves_the_old_file_and_is_tried_again(tmp_path, room):
    folder = tmp_path / "store"
    folder.mkdir()
    path = folder / "users.json"
    write(path, a_user())

    result = run_python("-c", FULL, str(path), str(room), cwd=tmp_path)

    assert result.stderr == ""
    assert result.stdout.splitlines() == [
        "File too large",
        "['users.json', 'users.json.lock']",
        "False",
        "True",
    ]
    assert [user.id for user in read(path)[0]] == ["id-of-ada", "big"]


def test_a_folder_that_is_gone_at_the_end_is_logged_and_ends_nothing(tmp_path, make_client, logged):
    folder = tmp_path / "store"
    folder.mkdir()
    client = make_client(snapshot_file=folder / "users.json")
    client.register()
    (folder / "users.json.lock").unlink()
    folder.rmdir()

    client.app.service.close()

    assert logged.events("snapshot_failed")[0]["error"] == "No such file or directory"


WRITE_ON_AND_ON = """
import sys
from pathlib import Path
from falcon_auth.models import User
from falcon_auth.stores.memory.store import MemoryStore
from falcon_auth.stores.memory.snapshot import Snapshot

store = MemoryStore()
snapshot = Snapshot(Path(sys.argv[1]), store)
snapshot.load()
for number in range(len(store.dump()[0]), 100_000):
    store.users.add(User(id=str(number), email="", email_key=str(number), username=None,
                        password_hash="h" * 1000, created_at=0.0, updated_at=0.0))
    snapshot.write()
    print(number + 1, flush=True)
"""


def test_a_killed_process_leaves_a_whole_file_with_all_that_was_written(path, tmp_path):
    """Over and over, each time on what the last one left."""
    for _ in range(5):
        with subprocess.Popen(
            [sys.executable, "-c", WRITE_ON_AND_ON, str(path)],
            cwd=tmp_path,
            env=clean_environment(**UNMEASURED),  # It is killed.
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            told = [process.stdout.readline() for _ in range(20)]
            process.send_signal(signal.SIGKILL)
            told += process.stdout.readlines()
        written = int([line for line in told if line.endswith("\n")][-1])

        users, _ = read(path)

        assert len(users) in {written, written + 1}  # Killed between writing and telling.


# --- A service with one


def test_the_service_writes_behind_its_requests(path, open_snapshot):
    snapshot = open_snapshot(store := MemoryStore())
    housekeeper = Housekeeper([lambda: snapshot.write() and False], interval=0.01)
    housekeeper.ensure_running()
    try:
        store.users.add(a_user())
        assert eventually(lambda: path.exists() and read_users(path) == [a_user()])
        store.users.add(a_user("bob"))
        assert eventually(lambda: read_users(path) == [a_user(), a_user("bob")])
    finally:
        housekeeper.stop()


def test_a_restart_keeps_users_and_live_sessions_and_refuses_ended_ones(start_service, path):
    first = start_service(SNAPSHOT_FILE=str(path))
    kept = first.register().json
    spent = first.login().json
    ended = first.login().json
    refresh = {"refresh_token": spent["refresh_token"]}
    successor = first.request("POST", "/api/v1/auth/refresh", refresh).json
    log_out = {"refresh_token": ended["refresh_token"]}
    assert first.request("POST", "/api/v1/auth/logout", log_out).status == 204
    assert first.stop() == 0

    second = start_service(SNAPSHOT_FILE=str(path))

    def profile(tokens):
        bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
        return second.request("GET", "/api/v1/protected/profile", headers=bearer)

    assert profile(kept).json["email"] == EMAIL
    assert profile(successor).status == 200
    assert profile(ended).json["code"] == "TOKEN_REVOKED"
    assert second.request("POST", "/api/v1/auth/refresh", log_out).json["code"] == "TOKEN_REVOKED"
    assert second.login().status == 200
    assert second.register().json["code"] == "DUPLICATE_EMAIL"
    assert second.stop() == 0
    assert PASSWORD not in path.read_text()
    assert kept["refresh_token"] not in path.read_text()


def test_a_changed_password_is_the_one_after_a_restart(path, make_client):
    client = make_client(snapshot_file=path)
    user = client.register()
    client.app.service.backend.snapshot.write()
    assert client.change_password(user, PASSWORD, NEW_PASSWORD).status_code == 204
    client.app.service.close()

    again = make_client(snapshot_file=path)

    assert outcome(again.login()) == (401, "INVALID_CREDENTIALS")
    assert outcome(again.login(password=NEW_PASSWORD)) == (200, None)


def test_factors_with_their_recovery_codes_come_back(tmp_path):
    user = new_user()
    store = MemoryStore()
    store.users.add(user, session := new_session(user))
    app = with_app(store, user, session)
    path = tmp_path / "snapshot.json"
    with closing(Snapshot(path, store)) as snapshot:
        snapshot.load()

    restored = MemoryStore()
    with closing(Snapshot(path, restored)) as snapshot:
        snapshot.load()

    before, after = store.factors.find_holder(user.id), restored.factors.find_holder(user.id)
    assert after == before
    assert [each.id for each in after.of_kind("totp")] == [app.id]


def test_a_factor_without_a_user_is_refused():
    with pytest.raises(ValueError, match="belongs to no user"):
        MemoryStore().load([], [], factors=[new_factor(new_user())])
