"""Keys in a folder: kept whole, followed without a restart, and rotated under load."""

import json
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import START
from key_material import private_pem, public_bytes
from key_operator import WEEK, Operator
from processes import in_child
from token_samples import USER

from falcon_auth.errors import AuthError, InvalidTokenError
from falcon_auth.keys import Key, after_fork
from falcon_auth.keys.folder import MANIFEST, KeyFolder
from falcon_auth.keys.live import CHECK_SECONDS, KeyFolderError, LiveKeys
from falcon_auth.keys.pem import parse_pem
from falcon_auth.keys.rotation import JWKS_MAX_AGE_SECONDS, Plan, StepError, UnsafeStepError
from falcon_auth.models import Session
from falcon_auth.sessions.tokens import TokenCodec
from falcon_auth.verifier import Verifier
from falcon_auth.verifier.fetch import Fetched
from falcon_auth.verifier.jwks import JwksKeys

SECRET = Key.symmetric("a-key-of-the-tests-that-is-long-enough", "HS256")


@pytest.fixture
def operator(tmp_path, clock):
    return Operator(tmp_path / "keys", clock)


@pytest.fixture
def follow(operator, clock):
    """Start a service on the operator's folder."""

    def start(**options):
        return LiveKeys(KeyFolder(operator.path), monotonic=clock, **options)

    return start


def kids(keys):
    return [key.kid for key in keys.current().keys]


def test_a_step_is_followed_within_seconds(operator, follow, clock, logged):
    first = operator.add()
    keys = follow()
    second = operator.add()

    assert kids(keys) == [first]
    clock.advance(seconds=CHECK_SECONDS)

    assert kids(keys) == [first, second]
    assert logged.events("keys_loaded")[0]["keys"] == {first: "active", second: "next"}


def test_a_signal_has_it_followed_at_once(operator, follow):
    first = operator.add()
    keys = follow()
    second = operator.add()

    keys.reload_soon()

    assert kids(keys) == [first, second]


class SlowFolder(KeyFolder):
    """A file system that takes its time, when it is told to."""

    slow = False

    def __init__(self, path):
        super().__init__(path)
        self.entered, self.released = threading.Event(), threading.Event()

    def load(self):
        if self.slow:
            self.entered.set()
            assert self.released.wait(30)
        return super().load()


def test_a_fork_during_a_look_looks_in_the_child(operator, clock):
    """The thread that was looking is not in the child, which would follow no rotation any more."""
    first = operator.add()
    folder = SlowFolder(operator.path)
    keys = LiveKeys(folder, monotonic=clock)
    second = operator.add()
    clock.advance(seconds=CHECK_SECONDS)
    folder.slow = True

    def check():
        folder.slow = False
        assert kids(keys) == [first, second]

    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(keys.current)
        assert folder.entered.wait(30)
        said = in_child(check)
        folder.released.set()

    assert said == ""
    folder.slow = False
    after_fork.reset_all()  # The same in this process, where it can be seen from within.
    assert kids(keys) == [first, second]
    assert len(looking.result().keys) == 2


def test_an_unchanged_folder_is_not_read_again(operator, follow, clock):
    kid = operator.add()
    keys = follow()
    ring = keys.current()
    (operator.path / f"{kid}.pem").write_bytes(b"")
    clock.advance(seconds=CHECK_SECONDS)

    assert keys.current() is ring


def test_files_are_for_their_owner_alone_and_gone_keys_are_deleted(operator, clock):
    operator.add()
    second = operator.add()
    operator.remove(second)

    modes = {path.name: path.stat().st_mode & 0o777 for path in operator.path.iterdir()}
    assert operator.path.stat().st_mode & 0o777 == 0o700
    assert set(modes.values()) == {0o600}
    assert f"{second}.pem" not in modes


def test_a_crash_before_the_plan_is_in_place_changes_nothing(operator, follow):
    kid = operator.add()
    (operator.path / "ring.new").write_text("half a pl")

    assert kids(follow()) == [kid]
    second = operator.add()
    assert kids(follow()) == [kid, second]


def damage_manifest(operator):
    (operator.path / MANIFEST).write_text('{"version": 1, "keys": [')


def lose_manifest(operator):
    (operator.path / MANIFEST).unlink()


def forge_plan(operator):
    operator.edit(keys=[])


def lose_key(operator):
    (operator.path / f"{operator.add()}.pem").unlink()


def exchange_key(operator):
    (operator.path / f"{operator.add()}.pem").write_bytes(private_pem("ES256"))


def publish_only(operator):
    (operator.path / f"{operator.add()}.pem").write_bytes(public_bytes("ES256"))


def open_key(operator):
    (operator.path / f"{operator.add()}.pem").chmod(0o602)


def fold_manifest(operator):
    lose_manifest(operator)
    (operator.path / MANIFEST).mkdir()


def break_plan(operator):
    operator.edit(version=3)


DAMAGES = [
    damage_manifest,
    lose_manifest,
    forge_plan,
    lose_key,
    exchange_key,
    publish_only,
    open_key,
    fold_manifest,
    break_plan,
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_an_unusable_key_folder_is_refused_and_logged_once(damage, operator, follow, clock, logged):
    """The keys stay as they are; when it is mended, they follow again."""
    kid = operator.add()
    keys = follow()
    saved = (operator.path / MANIFEST).read_bytes()

    damage(operator)
    for _ in range(3):
        clock.advance(seconds=CHECK_SECONDS)
        assert kids(keys) == [kid]

    described = keys.describe(clock())
    assert described["status"] == "ok"  # It serves: all processes at once must not be taken away.
    assert described["fault"]
    assert len(logged.events("keys_not_loaded")) == 1
    assert "BEGIN" not in logged.text

    if (operator.path / MANIFEST).is_dir():
        (operator.path / MANIFEST).rmdir()
    (operator.path / MANIFEST).write_bytes(saved)
    clock.advance(seconds=CHECK_SECONDS)
    assert kids(keys) == [kid]
    assert "fault" not in keys.describe(clock())


def test_a_key_file_that_is_mended_is_taken_without_a_change_of_the_plan(operator, follow, clock):
    operator.add()
    keys = follow()
    second = operator.add()
    path = operator.path / f"{second}.pem"
    pem = path.read_bytes()
    path.write_bytes(b"")
    clock.advance(seconds=CHECK_SECONDS)
    assert second not in kids(keys)

    path.write_bytes(pem)
    clock.advance(seconds=CHECK_SECONDS)

    assert second in kids(keys)


@pytest.mark.parametrize("damage", [damage_manifest, lose_manifest, fold_manifest, lose_key])
def test_a_damaged_folder_stops_the_start(damage, operator, follow):
    operator.add()
    damage(operator)

    with pytest.raises(KeyFolderError):
        follow()


def test_no_folder_and_an_empty_one_stop_the_start(tmp_path, make_client):
    with pytest.raises(Exception, match="JWT_KEY_DIRECTORY: the folder does not exist"):
        make_client(jwt_algorithm="ES256", jwt_key_directory=tmp_path / "nothing")
    with pytest.raises(Exception, match="JWT_KEY_DIRECTORY: has no signing key"):
        make_client(jwt_algorithm="ES256", jwt_key_directory=tmp_path)


def test_a_key_file_that_everyone_can_read_is_warned_of(operator, follow, logged):
    kid = operator.add()
    (operator.path / f"{kid}.pem").chmod(0o604)

    follow()

    assert logged.events("key_file_readable")[0]["file"] == f"{kid}.pem"


def test_keys_of_the_environment_stand_before_or_after(operator, follow, clock):
    """While the secret signs, the folder's keys are only published; then it is the other way."""
    kid = operator.add()

    published, signing = follow(first=[SECRET]), follow(last=[SECRET])

    assert kids(published) == [SECRET.kid, kid]
    assert kids(signing) == [kid, SECRET.kid]
    assert [each["state"] for each in published.describe(clock())["keys"]] == [
        "active",
        "published",
    ]
    assert [each["state"] for each in signing.describe(clock())["keys"]] == ["active", "verifies"]


def test_keys_list_shows_each_keys_age_and_next_step(operator, follow, clock):
    first, second = operator.add(), None
    clock.advance(days=1)
    second = operator.add()
    clock.advance(seconds=10)
    keys = follow()

    told = {each["kid"]: each for each in keys.describe(clock())["keys"]}

    assert (told[first]["state"], told[first]["age_seconds"]) == ("active", 86410)
    assert (told[second]["state"], told[second]["age_seconds"]) == ("next", 10)
    assert told[second]["next_step_safe_at"] == int(START) + 86400 + 660


def test_only_one_thread_reloads_the_key_folder(operator, clock):
    """A folder on a file system that hangs must not hold all requests up."""
    operator.add()
    entered, released = threading.Event(), threading.Event()

    class Hanging(KeyFolder):
        hang = False

        def mark(self):
            if self.hang:
                entered.set()
                released.wait(30)
            return super().mark()

    folder = Hanging(operator.path)
    keys = LiveKeys(folder, monotonic=clock)
    folder.hang = True
    clock.advance(seconds=CHECK_SECONDS)

    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(keys.current)
        assert entered.wait(30)
        assert keys.current() is keys.current()
        assert not hanging.done()
        released.set()


def test_a_process_that_was_idle_uses_no_key_of_long_ago(operator, clock):
    """Its first two requests come at once: the second waits for the first one's look."""
    first = operator.add()
    entered, released = threading.Event(), threading.Event()

    class Slow(KeyFolder):
        slow = False

        def load(self):
            if self.slow:
                entered.set()
                released.wait(30)
            return super().load()

    folder = Slow(operator.path)
    keys = LiveKeys(folder, monotonic=clock)
    second = operator.add()
    clock.advance(days=1)
    operator.promote()
    folder.slow = True

    with ThreadPoolExecutor(2) as pool:
        looking = pool.submit(keys.current)
        assert entered.wait(30)
        waiting = pool.submit(keys.current)
        released.set()

    assert looking.result() is waiting.result()
    assert [key.kid for key in waiting.result().keys] == [second, first]


def test_two_operators_at_once_make_one_plan(operator):
    """The lock makes each step see the other's."""
    operator.add()

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda _: _try(operator.add), range(8)))

    assert sum(each is not None for each in outcomes) == 1
    assert len(KeyFolder(operator.path).read_plan().keys) == 2


def _try(step):
    try:
        return step()
    except StepError:
        return None


def test_a_plan_too_long_is_damaged(operator, follow):
    operator.add()
    (operator.path / MANIFEST).write_text(" " * (1024 * 1024) + json.dumps({"version": 1}))

    with pytest.raises(KeyFolderError, match="damaged"):
        follow()


# --- Under load


class World:
    """Two processes that sign and verify, and a verifier that caches, on one movable clock.

    Three threads issue tokens and verify them, without a pause, until the world ends.
    """

    def __init__(self, operator, clock):
        self.operator, self.clock = operator, clock
        self.processes = [self._process() for _ in range(2)]
        keys = JwksKeys(self._fetch, monotonic=clock)
        self.verifier = Verifier(keys, issuer="us", audience="all", clock=clock)
        self.tokens = deque(maxlen=400)  # (kind, token), the latest ones,
        self.old_tokens = []  # and those of each moment at which something happened.
        self.refused = []
        self.verified = 0
        self._ended = threading.Event()
        self._rounds = [0] * 3
        self._round_done = threading.Condition()
        self._threads = [threading.Thread(target=self._work, args=(n,)) for n in range(3)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        self.settle()
        return self

    def __exit__(self, *_):
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def settle(self):
        """Wait until each thread has done a whole round from here on."""
        with self._round_done:
            target = [count + 2 for count in self._rounds]
            assert self._round_done.wait_for(
                lambda: all(a >= b for a, b in zip(self._rounds, target, strict=True)), timeout=60
            )

    def wait(self, seconds, steps=6):
        """Let time pass, under load all the while."""
        end = self.clock.now + seconds
        for left in range(steps, 0, -1):
            self.clock.now += (end - self.clock.now) / left
            self.settle()
        self.old_tokens = [*self.old_tokens, *list(self.tokens)[-6:]]

    def until_safe(self, step, *arguments):
        """Take a step at the very moment from which it is safe."""
        with pytest.raises(UnsafeStepError) as refused:
            step(*arguments)
        self.wait(refused.value.safe_at - self.clock())
        step(*arguments)
        self.settle()

    def _process(self):
        keys = LiveKeys(KeyFolder(self.operator.path), monotonic=self.clock)
        codec = TokenCodec(keys, clock=self.clock, access_seconds=900, issuer="us", audience="all")
        return keys, codec

    def _fetch(self, _etag):
        """Publish what one process has; the verifier keeps it for as long as it may."""
        body = json.dumps(self.processes[0][0].current().jwks()).encode()
        return Fetched(body, None, JWKS_MAX_AGE_SECONDS)

    def _work(self, number):
        while not self._ended.is_set():
            self._issue(self._rounds[number])
            for kind, token in [*list(self.tokens)[-4:], *self.old_tokens[-20:]]:
                for _, codec in self.processes:
                    self._check(token, codec, f"verify_{kind}")
                if kind == "access":
                    self._check(token, self.verifier, "authenticate")
            with self._round_done:
                self._rounds[number] += 1
                self._round_done.notify_all()

    def _issue(self, number):
        now = self.clock()
        session = Session(
            id="s", user_id="u1", created_at=now, last_used_at=now, expires_at=now + WEEK
        )
        codec = self.processes[number % 2][1]
        self.tokens.append(("access", codec.issue_access(USER, session)))
        self.tokens.append(("refresh", codec.issue_refresh(USER, session)))

    def _check(self, token, reader, method):
        try:
            getattr(reader, method)(token.text)
        except AuthError as error:
            # The clock may have moved meanwhile: what counts is that it is alive even now.
            if token.expires_at > self.clock():
                self.refused.append((method, getattr(error, "reason", error.code)))
        else:
            self.verified += 1


def test_three_rotations_under_load_refuse_no_valid_token_and_accept_no_dead_key(operator, clock):
    active = operator.add("ES256")
    with World(operator, clock) as world:
        for algorithm in ["EdDSA", "ES256", "EdDSA"]:
            dead = active
            kind = _algorithm(world, dead)
            stolen = parse_pem((operator.path / f"{dead}.pem").read_bytes(), kind)
            active = operator.add(algorithm)
            world.until_safe(operator.promote)
            world.wait(CHECK_SECONDS, steps=2)
            assert all(keys.current().signing_key.kid == active for keys, _ in world.processes)
            world.until_safe(operator.remove, dead)
            world.wait(JWKS_MAX_AGE_SECONDS)

            forged = _forge(stolen, clock())
            for _, codec in world.processes:
                assert _reason(codec.verify_access, forged) == "kid"
            assert _reason(world.verifier.authenticate, forged) == "kid"
            assert not (operator.path / f"{dead}.pem").exists()

    assert world.refused == []
    assert world.verified > 1000


def _algorithm(world, kid):
    return world.processes[0][0].current().key_for(kid).algorithm


def _forge(key, now):
    claims = {"sub": USER.email, "uid": "u1", "sid": "s", "jti": "j", "type": "access"}
    times = {"iat": int(now), "exp": int(now) + 900}
    return key.sign(claims | times | {"iss": "us", "aud": "all"})


def _reason(verify, token):
    with pytest.raises(InvalidTokenError) as caught:
        verify(token)
    return caught.value.reason


def test_a_forced_step_would_break_tokens_in_that_test(operator, clock):
    """The load test can fail: without the waits, valid tokens are refused."""
    first = operator.add()
    with World(operator, clock) as world:
        world.wait(CHECK_SECONDS)
        operator.add()
        operator.promote(force=True)
        operator.remove(first, force=True)
        world.wait(CHECK_SECONDS)

    assert ("verify_access", "kid") in world.refused


def test_an_empty_plan_is_a_plan():
    assert Plan().live() == []
