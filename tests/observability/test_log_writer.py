"""Writing the log costs lines at worst: no reader, disk or fork holds up or breaks what logs."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stderr, redirect_stdout

import pytest
import structlog
from processes import PATIENCE, clean_environment, eventually, run_python

from falcon_auth.observability.log_writer import LINES_AT_ONCE, MAX_WAITING, LineWriter
from falcon_auth.observability.logs import configure_logging, dropped_lines

log = structlog.get_logger("falcon_auth.tests")
library = logging.getLogger("some.library")
TOO_MANY = (
    MAX_WAITING + LINES_AT_ONCE + 3_000
)  # Lines: more than the queue and a pipe take together.


class Broken(io.StringIO):
    """A stream that fails as long as it is told to."""

    failing = True

    def write(self, text):
        if self.failing:
            raise BrokenPipeError(32, "Broken pipe")
        return super().write(text)


def close_log():
    """Have everything written, and send what comes to memory."""
    configure_logging(level="INFO", form="json", stream=io.StringIO())


@contextmanager
def logging_to(descriptor):
    """Log to a descriptor; what waits is written when the block ends."""
    with os.fdopen(descriptor, "w") as stream:
        configure_logging(level="INFO", form="json", stream=stream)
        yield
        close_log()


def open_pipe(_folder):
    return os.pipe()


def open_fifo(folder):
    os.mkfifo(folder / "fifo")
    reading = os.open(folder / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    writing = os.open(folder / "fifo", os.O_WRONLY)
    os.set_blocking(reading, True)
    return reading, writing


def read_lines(descriptor):
    with os.fdopen(descriptor) as reader:
        return [json.loads(line) for line in reader]


def read_into(lines, descriptor):
    with os.fdopen(descriptor) as reader:
        for line in reader:
            lines.append(line)  # One by one, for whoever counts them meanwhile.


# --- Readers


@pytest.mark.parametrize("opened", [open_pipe, open_fifo])
def test_a_stalled_reader_of_the_log_costs_counted_lines_but_no_time(opened, tmp_path, capsys):
    """Nobody reads while the lines are logged: were any of them waited for, this would hang."""
    reading, writing = opened(tmp_path)
    read = []
    with ThreadPoolExecutor(1) as pool:
        with logging_to(writing):
            for number in range(TOO_MANY):
                (log if number % 2 else library).info("line", extra={"number": number})
            dropped = dropped_lines()
            reader = pool.submit(read_into, read, reading)
            # The end waits two seconds at most for a reader: let this one come that far before.
            assert eventually(lambda: len(read) > TOO_MANY - dropped)
        reader.result(PATIENCE)

    assert dropped > 0
    lines = [json.loads(line) for line in read]
    (told,) = [line for line in lines if line["event"] == "log_lines_dropped"]
    assert (told["count"], told["level"]) == (dropped, "warning")
    assert len(lines) - 1 + dropped == TOO_MANY
    assert capsys.readouterr().err == "The log cannot be written: its reader has stalled\n"


def test_requests_are_answered_while_the_log_s_reader_is_stalled(make_client):
    reading, writing = os.pipe()
    with ThreadPoolExecutor(1) as pool, logging_to(writing):
        client = make_client()
        answers = [client.simulate_get("/health").status_code for _ in range(600)]
        lines = pool.submit(read_lines, reading)

    assert answers == [200] * 600
    assert [line["event"] for line in lines.result(PATIENCE)].count("request") == 600


def test_a_slow_reader_gets_every_line_whole_and_in_order():
    """Other processes may set a pipe that they share to O_NONBLOCK; that loses nothing either."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with ThreadPoolExecutor(1) as pool:
        lines = pool.submit(read_lines, reading)
        with logging_to(writing):
            for number in range(3_000):
                log.info("line", number=number, padding="x" * (9_000 if number % 100 == 0 else 100))

    assert [line["number"] for line in lines.result(PATIENCE)] == list(range(3_000))
    assert dropped_lines() == 0


def test_a_reader_of_the_log_that_hung_up_is_reported_once(capsys):
    reading, writing = os.pipe()
    os.close(reading)
    with logging_to(writing):
        for _ in range(10):
            log.info("lost")

    assert capsys.readouterr().err == "The log cannot be written: Broken pipe\n"


def test_a_full_disk_is_reported_once_and_its_lines_are_counted(capsys):
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        writer = LineWriter(full, str)
        for number in range(10):
            writer.write(f"{number}\n")
        writer.close()

    assert writer.dropped == 10
    assert capsys.readouterr().err == "The log cannot be written: No space left on device\n"


FULL_FOR_A_WHILE = r"""
import resource
from falcon_auth.observability.log_writer import LineWriter

hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
told = []

def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))

def describe(count):
    told.append(count)
    if len(told) == 1:
        limit(1_008)  # Full again: this very line does not fit.
    return f"{count} dropped\n"

with open("log", "w") as stream:
    limit(1_000)
    writer = LineWriter(stream, describe)
    for line in ("whole\n", "x" * 2_000 + "\n", "lost\n"):
        writer.write(line)
    while writer.dropped < 2: pass
    limit(2_000)
    writer.write("and on\n")
    while not told: pass
    writer.write("lost\n")
    while writer.dropped < 3: pass
    limit(hard)
    writer.write("at last\n")
    writer.close()
"""


def test_a_line_that_a_full_disk_tore_does_not_spoil_the_next(tmp_path):
    """Nor is the number of lost ones lost where the line that tells it does not fit either."""
    result = run_python("-c", FULL_FOR_A_WHILE, cwd=tmp_path)

    assert result.stderr == "The log cannot be written: File too large\n"
    whole, torn, *rest = (tmp_path / "log").read_text().splitlines()
    assert (whole, set(torn)) == ("whole", {"x"})
    assert rest == ["and on", "at last", "3 dropped"]


def test_lines_that_a_stream_in_memory_refuses_are_counted_and_reported():
    stream = Broken()
    configure_logging(level="INFO", form="json", stream=stream)

    with redirect_stderr(io.StringIO()) as told:
        log.info("lost")
        library.info("lost")
        stream.failing = False
        log.info("there again")
        stream.failing = True
        log.info("lost")

    first, second = map(json.loads, stream.getvalue().splitlines())
    assert first["event"] == "there again"
    assert (second["event"], second["count"]) == ("log_lines_dropped", 2)
    assert told.getvalue() == "The log cannot be written: Broken pipe\n" * 2
    assert dropped_lines() == 3


def test_not_even_standard_error_has_to_be_there():
    configure_logging(level="INFO", form="json", stream=Broken())

    with redirect_stderr(Broken()):
        log.info("lost")


def test_dropped_lines_are_a_metric(make_client):
    configure_logging(level="ERROR", form="json", stream=Broken())  # Ours are the only lines.
    with redirect_stderr(io.StringIO()):
        client = make_client()
        counted = []
        for _ in range(3):
            counted.append(dropped_in(client.simulate_get("/metrics").text))
            log.error("lost")

    assert counted == [0, 1, 2]


def dropped_in(metrics):
    return float(re.search(r"^falcon_auth_log_lines_dropped_total (.+)$", metrics, re.MULTILINE)[1])


# --- Threads and processes


WRITE = """
import sys
from concurrent.futures import ThreadPoolExecutor
import logging, structlog
from falcon_auth.observability.logs import configure_logging

configure_logging(level="INFO", form=None)
def work(number):
    for each in range(50):
        structlog.get_logger().info("ours", text="x" * 9000)
        logging.getLogger("library").info("theirs %s", "y" * 9000)
with ThreadPoolExecutor(4) as pool:
    list(pool.map(work, range(4)))
"""


def test_long_lines_of_many_threads_stay_whole_in_a_pipe(tmp_path):
    result = run_python("-c", WRITE, cwd=tmp_path)

    assert result.stderr == ""
    events = [json.loads(line)["event"][:6] for line in result.stdout.splitlines()]
    assert (events.count("ours"), events.count("theirs")) == (200, 200)


def test_a_reader_that_hangs_up_does_not_turn_the_exit_code(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", WRITE],
        cwd=tmp_path,
        env=clean_environment(PYTHONUNBUFFERED=""),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        process.stdout.readline()
        process.stdout.close()
        told = process.stderr.read()

        assert process.wait(PATIENCE) == 0
    assert told == b"The log cannot be written: Broken pipe\n"


@pytest.mark.parametrize("errors", [subprocess.PIPE, subprocess.STDOUT])
def test_a_stalled_reader_does_not_keep_a_process_from_ending(errors, tmp_path):
    """Standard error may be the very pipe that is full: it is not waited for either."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITE],
        cwd=tmp_path,
        env=clean_environment(PYTHONUNBUFFERED=""),
        stdout=subprocess.PIPE,
        stderr=errors,
    ) as process:
        assert process.wait(PATIENCE) == 0
        told = process.stderr.read() if process.stderr else None

    assert told in (None, b"The log cannot be written: its reader has stalled\n")


FORK = """
import logging, os, sys, structlog
from falcon_auth.observability.logs import configure_logging

configure_logging(level="INFO", form=None)
logging.getLogger().addHandler(logging.NullHandler())  # An application's own.
log = structlog.get_logger()
for number in range(100):
    log.info("before", number=number)
children = []
for child in range(4):
    pid = os.fork()
    if not pid:
        for number in range(300):
            log.info(f"child {child}", number=number, padding="x" * 2_000)
        sys.exit()
    children.append(pid)
for pid in children:
    assert os.waitpid(pid, 0)[1] == 0
log.info("after", number=0)
"""


def test_forked_processes_write_each_line_once_and_whole_to_the_pipe_they_share(tmp_path):
    """As gunicorn forks: each begins a thread of its own, without the parent's lines."""
    result = run_python("-c", FORK, cwd=tmp_path)

    assert result.stderr == ""
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    written = {name: [] for name in ("before", *(f"child {child}" for child in range(4)), "after")}
    for line in lines:
        written[line["event"]].append(line["number"])
    assert written.pop("before") == list(range(100))
    assert written.pop("after") == [0]
    assert list(written.values()) == [list(range(300))] * 4
    assert lines[-1]["event"] == "after"


def test_where_no_thread_can_be_started_lines_wait_for_one():
    reading, writing = os.pipe()
    usual = threading.stack_size(2**47)  # More than there are addresses.
    try:
        with ThreadPoolExecutor(1) as pool, logging_to(writing):
            log.info("first")
            threading.stack_size(usual)
            log.info("second")
            lines = pool.submit(read_lines, reading)
    finally:
        threading.stack_size(usual)

    assert [line["event"] for line in lines.result(PATIENCE)] == ["first", "second"]


def test_a_record_that_cannot_be_formatted_breaks_nothing(capsys):
    close_log()

    library.info("%s and %s", "one alone")

    assert "not enough arguments" in capsys.readouterr().err


def test_standard_output_may_be_something_in_memory():
    with redirect_stdout(io.StringIO()) as stream:
        configure_logging(level="INFO", form=None)
        log.info("here")

    assert json.loads(stream.getvalue())["event"] == "here"
