"""What we use of libraries' insides, which a new version may change without a word.

The one list of it. A test fails on any other version than the one that a name was checked with:
read the library's changes to these names then, run the tests of the room, and write the new
version here. Another finds what is used and not listed.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import sys
import textwrap
from functools import cache
from importlib.metadata import version
from typing import NamedTuple

import pytest
from processes import ROOT

import falcon_auth
from falcon_auth.commands.startup import EXIT_WORKER_BOOT
from falcon_auth.observability.metrics_folder import clear


class Checked(NamedTuple):
    """The version that was read, and by owner the names that are used."""

    version: str
    names: dict[str, str]


# waitress documents `serve`, `create_server` and its adjustments; all the rest is its inside.
PRIVATE = {
    "waitress": Checked(
        "3.0.2",
        {
            "waitress.channel.HTTPChannel": """
                __init__ task_class error_task_class parser_class logger server socket request
                requests connected will_close total_outbufs_len received readable write_soon
                handle_close _flush_some""",
            "waitress.parser.HTTPRequestParser": """
                parse_header headers error command path query request_uri url_scheme""",
            "waitress.server.TcpWSGIServer": """
                __init__ channel_class adj socket accepting active_channels trigger _map readable
                handle_accept handle_close set_socket_options close pull_trigger""",
            "waitress.task.WSGITask": """
                service execute write complete status version channel request response_headers
                has_body content_length close_on_finish start_time build_response_header
                get_environment""",
            "waitress.task.ThreadedTaskDispatcher": """
                __init__ lock queue queue_cv active_count handler_thread set_thread_count
                shutdown""",
            "waitress.wasyncore": "loop dispatcher",
            "waitress.utilities": "build_http_date",
        },
    ),
    # A connection is bounded from its first packet on, which `connect_timeout` does not do.
    "psycopg": Checked("3.3.9", {"psycopg.Connection": "_connect_gen"}),
    # A log line without what structlog has in between for other loggers.
    "structlog": Checked(
        "26.1.0",
        {"structlog.BoundLoggerBase": "_proxy_to_logger _context _processors _logger"},
    ),
    # The pseudo-methods that no client may send.
    "falcon": Checked("4.4.0", {"falcon.App": "_META_METHODS"}),
    # Any other exit code of a worker makes gunicorn start a new one.
    "gunicorn": Checked("27.0.1", {"gunicorn.arbiter.Arbiter": "WORKER_BOOT_ERROR cfg"}),
    # How its files are named, since no others may be in their folder.
    "prometheus_client": Checked("0.26.0", {"prometheus_client.values": "MultiProcessValue"}),
}
LISTED = {
    (owner, name)
    for checked in PRIVATE.values()
    for owner, names in checked.names.items()
    for name in names.split()
}
PUBLIC = {"_replace"}  # Of a named tuple.


@pytest.mark.parametrize("library", PRIVATE)
def test_what_is_used_of_a_librarys_inside_was_checked_with_the_installed_version(library):
    """A failure is no fault: the docstring of this file says what to do."""
    assert version(library) == PRIVATE[library].version
    pinned = (ROOT / "requirements-dev.txt").read_text() + (ROOT / "requirements.txt").read_text()
    assert re.search(
        rf"^{library}(\[\w+\])?=={re.escape(PRIVATE[library].version)}\b", pinned, re.MULTILINE
    )


@pytest.mark.parametrize(("owner", "name"), sorted(LISTED))
def test_every_listed_name_is_there(owner, name):
    module, _, last = owner.rpartition(".")
    holder = sys.modules.get(owner) or getattr(importlib.import_module(module), last, None)

    assert is_of(holder or importlib.import_module(owner), name)


def test_no_other_private_name_is_used():
    listed = {name for _, name in LISTED}
    used = set()
    for module in modules():
        tree = ast.parse(source_of(module))
        used |= {node.attr for node in ast.walk(tree) if is_private_of_another(node)}
        for _, kind in inspect.getmembers(module, inspect.isclass):
            if kind.__module__ == module.__name__:
                used |= used_by(kind)

    assert used - PUBLIC - listed == set()


def test_gunicorn_ends_with_a_worker_that_exits_with_our_code():
    from gunicorn.arbiter import Arbiter

    assert Arbiter.WORKER_BOOT_ERROR == EXIT_WORKER_BOOT


def test_the_files_of_every_kind_of_metric_are_known_by_their_names(tmp_path):
    for kind in ("counter", "histogram", "summary", "gauge_livesum", "gauge_livemax", "gauge_all"):
        (tmp_path / f"{kind}_4711.db").touch()

    clear(tmp_path)

    assert list(tmp_path.iterdir()) == []


@cache
def source_of(holder):
    """The source of a class or a module; the library parses the whole file each time.

    Nothing, where a library names another module as its classes' own.
    """
    try:
        return inspect.getsource(holder)
    except OSError:
        return ""


def modules():
    for found in pkgutil.walk_packages(falcon_auth.__path__, "falcon_auth."):
        if not re.search(r"__main__|migrations\.", found.name):
            yield importlib.import_module(found.name)


def is_private_of_another(node):
    """Whether an expression is `something._name`, and the something is not `self` or the like."""
    return (
        isinstance(node, ast.Attribute)
        and re.match("_[^_]", node.attr)
        and not (isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"})
        and not isinstance(node.value, ast.Call)  # super(), which `used_by` sees.
    )


def used_by(kind):
    """The names of foreign base classes that a class of ours overrides or uses.

    Of waitress every name counts, of other libraries those that begin with an underscore.
    """
    bases = [base for base in kind.__mro__ if is_foreign(base)]
    waitress = any(base.__module__.startswith("waitress") for base in bases)
    tree = ast.parse(textwrap.dedent(source_of(kind)))
    names = {node.attr for node in ast.walk(tree) if is_own(node)}
    names |= {name for name in vars(kind) if name in source_of(kind)}
    return {
        name
        for name in names
        if (waitress or re.match("_[^_]", name))
        and not (name.startswith("__") and name != "__init__")
        and any(is_of(base, name) for base in bases)
    }


def is_own(node):
    return (
        isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name | ast.Call)
        and ast.unparse(node.value) in {"self", "cls", "super()"}
    )


def is_foreign(kind):
    top = kind.__module__.partition(".")[0]
    return top != "falcon_auth" and top not in sys.stdlib_module_names


def is_of(holder, name):
    """Whether a class or module has a name, also one that only its instances get."""
    if hasattr(holder, name):
        return name in dir(holder)
    kinds = holder.__mro__ if inspect.isclass(holder) else ()
    return any(
        re.search(rf"\bself\.{name}\b", source_of(kind)) for kind in kinds if is_foreign(kind)
    )
