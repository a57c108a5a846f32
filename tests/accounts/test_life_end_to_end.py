"""From registration to a new password by the mails that a real SMTP server received."""

import re

from conftest import EMAIL, PASSWORD, outcome
from life_words import NEW_PASSWORD, forgot, reset, verify
from processes import eventually


def test_a_user_registers_confirms_and_recovers_by_mail(make_client, smtp):
    client = make_client(
        email_verification="required",
        mail_url=f"smtp://127.0.0.1:{smtp.port}",
        mail_from="auth@example.com",
    )

    def token_of_mail(number):
        assert eventually(lambda: len(smtp.inbox.mails) >= number)
        mail = smtp.inbox.mails[number - 1]
        assert mail["To"] == EMAIL
        text = mail.get_body(["plain"]).get_content()
        return re.search(r"#token=(\S+)", text)[1]

    assert client.register().status_code == 202
    assert outcome(verify(client, token_of_mail(1), PASSWORD)) == (204, None)
    assert outcome(client.login()) == (200, None)
    forgot(client, EMAIL)
    assert outcome(reset(client, token_of_mail(2))) == (204, None)
    assert outcome(client.login(password=NEW_PASSWORD)) == (200, None)
