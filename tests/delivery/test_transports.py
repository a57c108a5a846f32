"""Mails into a folder and onto the console; and what MAIL_URL, MAIL_FROM, PUBLIC_URL may be."""

import stat
from email.headerregistry import Address
from pathlib import Path

import pytest
from delivery_words import new_message
from store_records import new_user

from falcon_auth.delivery.channel import ServerAwayError
from falcon_auth.delivery.mail_url import (
    MailServer,
    check_public_url,
    parse_mail_url,
    parse_sender,
)
from falcon_auth.delivery.mime import Rendered, compose
from falcon_auth.delivery.transports import ConsoleTransport, FolderTransport


def mail_with(text="Some text.\n"):
    message = new_message(new_user())
    rendered = Rendered("A subject", text, None)
    return compose(message, rendered, sender=Address("", "auth", "example.org"), host="localhost")


# --- A folder


def test_a_mail_becomes_one_file_that_only_its_owner_reads(tmp_path):
    composed = mail_with()
    transport = FolderTransport(tmp_path)

    transport.send(composed)
    transport.send(composed)  # A second time: the same file.
    transport.rest()

    (path,) = tmp_path.iterdir()
    assert path.name == f"{composed.id}.eml"
    assert path.read_bytes() == composed.content
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_folder_that_is_gone_counts_as_a_server_that_is_away(tmp_path):
    with pytest.raises(ServerAwayError, match="folder: No such file"):
        FolderTransport(tmp_path / "gone").send(mail_with())


# --- The console


def test_the_console_shows_the_link_and_obeys_no_control_character(capsys):
    transport = ConsoleTransport()

    transport.send(mail_with("Open https://auth.example.org/#token=x\x1b[2J\n"))
    transport.rest()

    shown = capsys.readouterr()
    assert shown.out == ""
    assert "To: ada@example.com\nSubject: A subject\n\nOpen https://auth.example.org/#token=x" in (
        shown.err
    )
    assert "\\x1b[2J" in shown.err
    assert "\x1b" not in shown.err


# --- MAIL_URL


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://mail.example.org", ("none", "mail.example.org", 25, None, None)),
        ("smtp://127.0.0.1:1025/", ("none", "127.0.0.1", 1025, None, None)),
        ("smtp://[::1]:1025", ("none", "::1", 1025, None, None)),
        ("smtps://u:p%40ss@mail.example.org", ("tls", "mail.example.org", 465, "u", "p@ss")),
        (
            "smtp+starttls://u%40x:p@mail.example.org",
            ("starttls", "mail.example.org", 587, "u@x", "p"),
        ),
        ("file:///var/mail%20box", Path("/var/mail box")),
    ],
)
def test_a_mail_url_names_a_server_or_a_folder(url, expected):
    assert parse_mail_url(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "mail.example.org",
        "https://mail.example.org",
        "smtp://",
        "smtp://mail.example.org/path",
        "smtp://mail.example.org?tls=1",
        "smtp://mail.example.org#x",
        "smtp://mail.example.org:99999",
        "smtp://mail.example.org:port",
        "smtps://hunter2@mail.example.org",
        "smtps://user:hunter2%C3%A4@mail.example.org",
        "file://folder",
        "file:///folder?x",
        "file:///folder#x",
        "file:folder",
    ],
)
def test_an_invalid_mail_url_is_refused_without_quoting_it(url):
    with pytest.raises(ValueError) as raised:  # noqa: PT011 - the message is looked at below
        parse_mail_url(url)

    assert "hunter2" not in str(raised.value)
    assert type(raised.value) is ValueError


def test_a_server_s_repr_shows_no_password():
    assert "hunter2" not in repr(MailServer("tls", "mail.example.org", 465, "user", "hunter2"))


# --- MAIL_FROM and PUBLIC_URL


@pytest.mark.parametrize(
    ("text", "name", "address"),
    [
        ("auth@example.org", "", "auth@example.org"),
        ("Our Sign-in <auth@mail.internal>", "Our Sign-in", "auth@mail.internal"),
        ("Größe <auth@example.org>", "Größe", "auth@example.org"),
    ],
)
def test_a_sender_is_an_address_with_or_without_a_name(text, name, address):
    sender = parse_sender(text)

    assert (sender.display_name, sender.addr_spec) == (name, address)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "auth",
        "a@b@c",
        "ä@example.org",
        "a@x.org, b@y.org",
        "Name <a@x.org>\nBcc: b@y.org",
        "a b@x.org",
        "@example.org",
        "a@",
    ],
)
def test_an_invalid_mail_from_is_refused(text):
    with pytest.raises(ValueError, match="must be an ASCII address"):
        parse_sender(text)


def test_a_public_url_has_no_slash_at_its_end():
    assert check_public_url("https://auth.example.org/") == "https://auth.example.org"
    assert (
        check_public_url("https://example.org:8443/sign-in/") == "https://example.org:8443/sign-in"
    )


@pytest.mark.parametrize(
    "url",
    [
        "auth.example.org",
        "javascript:alert(1)",
        "https://",
        "https://user:pw@example.org",
        "https://example.org?x=1",
        "https://example.org/#x",
        "https://example.org/a b",
        "https://example.org/'onclick='",
        "https://bücher.example",
        "https://example.org:99999",
    ],
)
def test_an_invalid_public_url_is_refused(url):
    with pytest.raises(ValueError):  # noqa: PT011 - that it is refused is all
        check_public_url(url)
