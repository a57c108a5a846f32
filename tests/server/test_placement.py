"""Requests are answered on one core, hashes on all of them."""

import ctypes
import os
import shutil
import subprocess
import sys
import threading

import pytest
from processes import clean_environment

from falcon_auth.passwords import HashingPool
from falcon_auth.server.placement import (
    RECONSIDER_SECONDS,
    LastInFirstOut,
    OneCore,
    RequestThreads,
    current_core,
    one_core,
)

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux binds threads")


class Machine:
    """Cores that nothing really runs on, and a kernel that says where the caller is."""

    def __init__(self, cores):
        self.cores = set(cores)
        self.bound = {}
        self.at = min(cores)

    def bind(self, thread, cores):
        self.bound[thread] = set(cores)

    def placement(self, clock):
        return OneCore(clock, cores=self.cores, bind=self.bind, where=lambda: self.at)


def in_thread(work):
    """Run *work* in a thread of its own; return that thread's id."""
    ids = []
    thread = threading.Thread(target=lambda: ids.append(threading.get_native_id()) or work())
    thread.start()
    thread.join()
    return ids[0]


def test_threads_join_the_core_where_the_loop_runs(clock):
    machine = Machine({0, 1, 2})
    placement = machine.placement(clock)
    early = in_thread(placement.join)

    machine.at = 2
    placement.follow_kernel()
    late = in_thread(placement.join)

    assert machine.bound == {threading.get_native_id(): {2}, early: {2}, late: {2}}


def test_the_loop_is_let_free_now_and_then_and_the_others_follow(clock):
    """So the kernel can take all of them off a core that another process wants too."""
    machine = Machine({0, 1})
    placement = machine.placement(clock)
    follower, loop = in_thread(placement.join), threading.get_native_id()
    placement.follow_kernel()

    clock.advance(seconds=RECONSIDER_SECONDS - 0.1)
    placement.follow_kernel()
    assert machine.bound == {loop: {0}, follower: {0}}

    clock.advance(seconds=0.1)
    placement.follow_kernel()
    assert machine.bound == {loop: {0, 1}, follower: {0}}

    machine.at = 1
    placement.follow_kernel()
    assert machine.bound == {loop: {1}, follower: {1}}


def test_followers_are_left_alone_where_the_loop_stays(clock):
    machine = Machine({0, 1})
    placement = machine.placement(clock)
    in_thread(placement.join)
    placement.follow_kernel()
    machine.bound.clear()

    clock.advance(seconds=RECONSIDER_SECONDS)
    placement.follow_kernel()
    placement.follow_kernel()

    assert machine.bound == {threading.get_native_id(): {0}}


@pytest.mark.parametrize("cores", [set(), {3}], ids=["unknown", "one"])
def test_threads_are_not_bound_without_a_choice_of_cores(clock, cores):
    machine = Machine(cores | {3})
    machine.cores = cores
    placement = machine.placement(clock)

    in_thread(placement.join)
    placement.follow_kernel()
    clock.advance(seconds=RECONSIDER_SECONDS)
    placement.follow_kernel()

    assert machine.bound == {}


def test_a_sandbox_that_forbids_it_is_put_up_with(clock):
    def refuse(_thread, _cores):
        raise PermissionError

    placement = OneCore(clock, cores={0, 1}, bind=refuse, where=lambda: 0)

    placement.follow_kernel()
    in_thread(placement.join)


@linux
def test_the_current_core_is_one_that_may_be_used():
    assert current_core(ctypes.CDLL(None))() in os.sched_getaffinity(0)


@pytest.mark.parametrize("call", [{}, {"sched_getcpu": staticmethod(lambda: -1)}])
def test_where_the_core_cannot_be_known_nothing_is_bound(clock, call):
    machine = Machine({0, 1})
    where = current_core(type("Libc", (), call)())
    placement = OneCore(clock, cores=machine.cores, bind=machine.bind, where=where)

    placement.follow_kernel()
    in_thread(placement.join)
    clock.advance(seconds=RECONSIDER_SECONDS)
    placement.follow_kernel()

    assert machine.bound == {}


SERVE_ONCE = """
import os, threading, urllib.request
from falcon_auth.server import Server

def application(environ, start_response):
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]

assert not os.path.exists("/proc/self")
server = Server(application, host="127.0.0.1", port=0, threads=2)
thread = threading.Thread(target=server.run)
thread.start()
url = f"http://127.0.0.1:{server.port}/"
for _ in range(3):
    print(urllib.request.urlopen(url, timeout=10).read().decode())
server.stop()
thread.join()
"""


@linux
def test_the_server_serves_where_proc_is_hidden(tmp_path):
    """As a container or a sandbox may have it; the loop once died of it."""
    hide = ["unshare", "--mount", "sh", "-c"]
    mount = "mount -t tmpfs none /proc"
    if not shutil.which("unshare") or subprocess.run([*hide, mount], check=False).returncode:
        pytest.skip("needs unshare(1), and leave to mount")

    result = subprocess.run(
        [*hide, f'{mount} && exec "$0" -c "$1"', sys.executable, SERVE_ONCE],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (result.returncode, result.stdout.split()) == (0, ["ok"] * 3), result.stderr


@linux
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores")
def test_hashes_use_all_cores_though_a_bound_thread_starts_them(clock):
    """A thread begins on the cores of the one that starts it."""
    pool = HashingPool(1, 1)
    used = []

    def request():
        placement = one_core(clock)
        placement.follow_kernel()
        bound = os.sched_getaffinity(0)
        used.append((bound, pool.run(lambda: os.sched_getaffinity(0))))

    try:
        in_thread(request)
    finally:
        pool.close(1)

    ((bound, hashing),) = used
    assert len(bound) == 1
    assert hashing == os.sched_getaffinity(0)


def test_the_thread_that_waited_last_is_woken_first():
    lock = threading.Lock()
    condition = LastInFirstOut(lock)
    waiting, woken = threading.Semaphore(0), []

    def wait(name):
        with lock:
            waiting.release()
            condition.wait()
            woken.append(name)

    threads = [threading.Thread(target=wait, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
        waiting.acquire()
        with lock:  # Once it can be had, the thread waits.
            pass
    with lock:
        condition.notify()
    threads[2].join()
    with lock:
        condition.notify_all()
        condition.notify()  # Nobody waits any more.
    for thread in threads:
        thread.join()

    assert woken[0] == "c"
    assert sorted(woken) == ["a", "b", "c"]


def test_a_pool_answers_from_several_threads_and_ends(clock):
    pool = RequestThreads(Machine({0, 1}).placement(clock))
    pool.set_thread_count(3)
    together, answered = threading.Barrier(3, timeout=30), threading.Semaphore(0)

    class Task:
        def service(self):
            together.wait()
            answered.release()

    for _ in range(6):
        pool.add_task(Task())
    assert all(answered.acquire(timeout=30) for _ in range(6))
    pool.shutdown(timeout=30)

    assert not pool.threads
