"""A service whose mails land in a folder, where tests read them."""

from __future__ import annotations

import pytest

from falcon_auth.testing.mails import Mailbox


@pytest.fixture
def mail_settings(tmp_path):
    """The settings of a service whose mails land in a folder."""
    folder = tmp_path / "mails"
    folder.mkdir()
    return {"mail_url": f"file://{folder}", "mail_from": "auth@example.com"}


@pytest.fixture
def mailing(make_client, mail_settings, tmp_path):
    """Make a client, with its `mailbox`, of a service that sends mail."""

    def make(**settings):
        client = make_client(**mail_settings, **settings)
        client.mailbox = Mailbox(client.app.service, tmp_path / "mails")
        return client

    return make
