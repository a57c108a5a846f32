"""One pipe for every log line, which nothing that is logged can break."""

from __future__ import annotations

import io
import json
import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from processes import PATIENCE, run_python

from falcon_auth.observability.logs import configure_logging, redact, request_fields

log = structlog.get_logger("falcon_auth.tests")
library = logging.getLogger("some.library")
FORGED = 'x\r\n{"event": "forged"}\n\x1b[2K\x9b1A\u2028\u2029\x85\0'


class Terminal(io.StringIO):
    def isatty(self):
        return True


def fail(text):
    raise ValueError(text)


def captured(stream=None, *, level="INFO", form=None):
    stream = io.StringIO() if stream is None else stream
    configure_logging(level=level, form=form, stream=stream)
    return stream


# --- JSON


SOURCES = """
import logging, warnings, structlog
from falcon_auth.observability.logs import configure_logging

configure_logging(level="INFO", form=None)
structlog.get_logger().info("ours", number=1, text="\u00e9")
logging.getLogger("some.library").warning("a library's %s", "line", extra={"number": 2})
warnings.simplefilter("always")
warnings.warn("old", DeprecationWarning)
"""


def test_every_source_of_lines_makes_one_json_object_each(tmp_path):
    result = run_python("-c", SOURCES, cwd=tmp_path)

    assert result.stderr == ""
    ours, theirs, warned = (json.loads(line) for line in result.stdout.splitlines())
    assert (ours["event"], ours["level"], ours["number"], ours["text"]) == ("ours", "info", 1, "é")
    assert (theirs["event"], theirs["level"]) == ("a library's line", "warning")
    assert (theirs["logger"], theirs["number"]) == ("some.library", 2)
    assert (warned["logger"], warned["level"]) == ("py.warnings", "warning")
    assert "DeprecationWarning: old" in warned["event"]
    for line in (ours, theirs, warned):
        age = datetime.now(UTC) - datetime.fromisoformat(line["timestamp"])
        assert 0 <= age.total_seconds() < PATIENCE


def test_an_exception_is_logged_with_its_traceback_in_the_same_line():
    stream = captured()

    for logger in (log, library):
        try:
            fail(FORGED)
        except ValueError:
            logger.exception("failed")

    lines = [json.loads(line) for line in stream.getvalue().split("\n")[:-1]]
    assert [line["event"] for line in lines] == ["failed", "failed"]
    assert all(line["exception"].startswith("Traceback (most recent") for line in lines)
    assert all("ValueError: x" in line["exception"] for line in lines)


@given(st.text() | st.just(FORGED) | st.just("\ud800"))
def test_no_text_can_forge_a_json_line(text):
    stream = captured()

    log.info(text, field=text, **{f"name_{text}": 1})
    library.info("%s", text, extra={f"name_{text}": text})

    assert stream.getvalue().isascii()
    lines = [json.loads(line) for line in stream.getvalue().split("\n")[:-1]]
    assert len(lines) == 2
    assert all(line["event"] == text for line in lines)
    assert not set("\r\x1b\0\x7f") & set(stream.getvalue())


def test_a_value_unknown_to_json_is_logged_as_text():
    stream = captured()

    log.info("odd", value=b"\n", kind=object)

    assert json.loads(stream.getvalue())["value"] == "b'\\n'"


def test_request_id_and_ip_are_added_where_a_request_is_worked_on():
    stream = captured()
    token = request_fields.set({"request_id": "r-1", "ip": "192.0.2.7"})
    log.info("ours")
    library.info("theirs")
    log.info("own", request_id="r-2")
    request_fields.reset(token)
    log.info("after")

    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line.get("request_id") for line in lines] == ["r-1", "r-1", "r-2", None]
    assert [line.get("ip") for line in lines] == ["192.0.2.7"] * 3 + [None]


@pytest.mark.parametrize(
    ("level", "count"), [("DEBUG", 4), ("INFO", 3), ("WARNING", 2), ("ERROR", 1)]
)
def test_the_level_holds_for_ours_and_theirs(level, count):
    stream = captured(level=level)

    for logger in (log, library):
        logger.debug("one")
        logger.info("two")
        logger.warning("three")
        logger.error("four")

    events = [json.loads(line)["event"] for line in stream.getvalue().splitlines()]
    assert events == ["one", "two", "three", "four"][-count:] * 2


def test_waitress_comes_through_the_pipe_but_not_its_queue():
    """It warns at each request that waits, which is no news under load."""
    stream = captured()

    logging.getLogger("waitress").error("an error of waitress")
    logging.getLogger("waitress.queue").warning("Task queue depth is 1")

    (line,) = stream.getvalue().splitlines()
    assert json.loads(line)["logger"] == "waitress"


def test_configuring_again_moves_all_lines_to_the_new_stream():
    old = captured()
    new = captured()

    log.info("ours")
    library.info("theirs")

    assert old.getvalue() == ""
    assert len(new.getvalue().splitlines()) == 2


# --- On a terminal


def test_a_terminal_gets_readable_lines_and_all_else_json():
    terminal, pipe = captured(Terminal()), captured()
    log.info("to_the_pipe")
    configure_logging(level="INFO", form=None, stream=terminal)
    log.info("to_the_terminal", number=1)

    assert "to_the_terminal" in terminal.getvalue()
    assert not terminal.getvalue().startswith("{")
    assert json.loads(pipe.getvalue())["event"] == "to_the_pipe"


def test_the_form_may_be_chosen():
    readable, lines = captured(form="console"), Terminal()
    log.info("chosen", number=1)
    captured(lines, form="json")
    log.info("chosen")

    assert readable.getvalue().rstrip().endswith("number=1")
    assert "\x1b" not in readable.getvalue()  # Colours are for terminals.
    assert json.loads(lines.getvalue())["event"] == "chosen"


@given(st.text() | st.just(FORGED) | st.just("\ud800"))
def test_no_text_can_forge_a_readable_line(text):
    stream = captured(form="console")

    log.info(text, field=text, number=1, **{f"name_{text}": text})
    library.info("%s", text)

    written = stream.getvalue()
    assert written.count("\n") == len(written.splitlines()) == 2
    assert all(each.isprintable() for each in written.splitlines())


def test_an_exception_is_readable_but_commands_no_terminal():
    stream = captured(form="console")

    try:
        fail("\x1b[2Kx\r")
    except ValueError:
        log.exception("failed")

    assert stream.getvalue().endswith("ValueError: \\x1b[2Kx\\r\n")
    assert "\nTraceback (most recent call last):\n" in stream.getvalue()


def test_threads_have_request_ids_of_their_own():
    stream = captured()

    def work(number):
        request_fields.set({"request_id": f"r-{number}"})
        log.info("working", number=number)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(50)))

    for line in map(json.loads, stream.getvalue().splitlines()):
        assert line["request_id"] == f"r-{line['number']}"


# --- Secrets


def test_secrets_are_taken_out_of_a_text():
    assert redact("a hunter2 b hunter2", ["hunter2"]) == "a [redacted] b [redacted]"
    assert redact("short ones stay: abc", ["abc", None, 7, ["short"], ""]) == (
        "short ones stay: abc"
    )
    assert redact("hunter2-long", ["hunter2", "hunter2-long"]) == "[redacted]"


@given(st.lists(st.text("abc", max_size=8)), st.text("abc"))
def test_no_secret_of_four_characters_or_more_stays(secrets, text):
    redacted = redact(text, secrets)

    assert not [each for each in secrets if len(each) >= 4 and each in redacted]
