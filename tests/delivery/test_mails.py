"""Which mails there are, what they hold in the outbox, and what they say when they are sent."""

import email
import email.policy
import re
from email.headerregistry import Address
from pathlib import Path

import pytest
from delivery_words import new_message
from store_records import NOW, new_user

from falcon_auth.delivery.channel import PermanentDeliveryError, TemporaryDeliveryError
from falcon_auth.delivery.mail_channel import MailComposer
from falcon_auth.delivery.mails import MAX_FACT_LENGTH, NoMails, QueuedMails
from falcon_auth.delivery.templates import BUILT_IN, TemplateFaultError, Templates
from falcon_auth.delivery.topics import TOPIC_NAMES, TOPICS
from falcon_auth.models import time_ordered_id
from falcon_auth.sessions.link_tokens import PurposeTokens

ADA = new_user(password_version=3, email_version=4)
URL = "https://auth.example.org/sign-in"
GENERAL = {"service": "auth.example.org", "public_url": URL}
WITH_LINK = [name for name in TOPIC_NAMES if TOPICS[name].link]


class Tokens:
    """Stands in for the signer: the token names its message."""

    def sign(self, message):
        return f"token-of-{message.id}"


def queued(topic, expect=lambda: None, **more):
    to = "given@example.net" if TOPICS[topic].to == "given" else None
    facts = {name: f"the {name}" for name in TOPICS[topic].facts}
    mails = QueuedMails(clock=lambda: NOW, expect=expect)
    (message,) = mails.message(topic, ADA, to=to, **facts, **more)
    return message


def composer_with(folder=None, now=NOW, tokens=None):
    return MailComposer(
        Templates(folder),
        tokens or Tokens(),
        public_url=URL,
        sender=Address("Example", "auth", "example.org"),
        clock=lambda: now,
    )


def parts_of(composed):
    mail = email.message_from_bytes(composed.content, policy=email.policy.default)
    html = mail.get_body(["html"])
    text = mail.get_body(["plain"]).get_content().replace("\r\n", "\n")
    return mail, text, html and html.get_content()


# --- In the outbox


@pytest.mark.parametrize("topic", TOPIC_NAMES)
def test_a_message_names_its_facts_and_holds_no_token(topic):
    message = queued(topic, ip="192.0.2.7", language="de-AT")

    wanted = "given@example.net" if TOPICS[topic].to == "given" else ADA.email
    assert message.payload == {
        "to": wanted,
        "password_version": 3,
        "email_version": 4,
        "language": "de-AT",
        "ip": "192.0.2.7",
        **{name: f"the {name}" for name in TOPICS[topic].facts},
    }
    assert (message.channel, message.topic, message.user_id) == ("mail", topic, ADA.id)
    assert (message.created_at, message.due_at, message.attempts) == (NOW, NOW, 0)


def test_an_address_that_is_not_known_is_left_out_of_the_text():
    composed = composer_with().compose(queued("password_changed", ip=None))

    assert "from the IP address" not in parts_of(composed)[1]


def test_building_a_message_wakes_the_dispatcher():
    expected = []

    queued("reset", expect=lambda: expected.append(True))

    assert expected == [True]


def test_if_mail_is_off_no_messages_are_built():
    assert NoMails().message("reset", ADA) == ()


@pytest.mark.parametrize(
    ("topic", "arguments"),
    [
        ("reset", {"to": "given@example.net"}),
        ("email_change", {}),
        ("username_taken", {}),
        ("reset", {"token": "secret"}),
    ],
)
def test_facts_and_recipients_that_do_not_fit_the_topic_are_refused(topic, arguments):
    with pytest.raises(ValueError, match=topic):
        QueuedMails(clock=lambda: NOW, expect=lambda: None).message(topic, ADA, **arguments)


@pytest.mark.parametrize("language", ["../../etc", "de\n", "", "x" * 9, "de-AT-1996-1901"])
def test_an_invalid_language_tag_is_omitted(language):
    assert queued("reset", language=language).payload["language"] is None


def test_a_user_s_own_words_become_one_bounded_line():
    mails = QueuedMails(clock=lambda: NOW, expect=lambda: None)

    (message,) = mails.message("factor_added", ADA, factor="My\r\nkey\0\ud800\u2028" + "x" * 999)

    factor = message.payload["factor"]
    assert factor.startswith("My  key   xxx")
    assert len(factor) == MAX_FACT_LENGTH


def test_ids_sort_by_time_and_are_version_7():
    ids = [time_ordered_id(NOW + step / 1000) for step in range(50)]

    assert ids == sorted(ids)
    assert all(re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab].*", each) for each in ids)
    assert time_ordered_id(NOW) != time_ordered_id(NOW)


# --- As mails


@pytest.mark.parametrize("topic", TOPIC_NAMES)
def test_every_mail_says_what_its_message_tells_in_both_parts(topic):
    message = queued(topic, ip="192.0.2.7")

    composed = composer_with().compose(message)

    mail, text, html = parts_of(composed)
    assert mail["To"] == message.payload["to"] == composed.recipient
    assert mail["Subject"]
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"] == f"<{message.id}@auth.example.org>"
    for fact in TOPICS[topic].facts:
        assert f"the {fact}" in text + mail["Subject"]
        assert f"the {fact}" in html
    assert "sent this to" in text
    link = TOPICS[topic].link
    if link is None:
        assert "#token" not in text + html
    else:
        url = f"{URL}{link.page}#token=token-of-{message.id}"
        assert f"\n    {url}\n" in text
        assert f'<a class="button" href="{url}">' in html
        assert f'<a class="link" href="{url}">{url}</a>' in html  # In full below the button.


@pytest.mark.parametrize("topic", TOPIC_NAMES)
def test_no_mail_loads_anything_and_each_suits_the_dark(topic):
    _, _, html = parts_of(composer_with().compose(queued(topic)))

    assert '<meta name="color-scheme" content="light dark">' in html
    assert "prefers-color-scheme: dark" in html
    assert not re.search(r"<img|<script|<link|@import|url\(|src=", html)
    assert not re.findall(rf'href="(?!{URL}/account/)', html)


def test_a_second_try_is_the_same_mail_byte_for_byte():
    message = queued("reset")

    assert composer_with(now=NOW + 9).compose(message) == composer_with().compose(message)


def test_a_users_text_is_escaped_and_kept_on_one_line():
    message = new_message(
        ADA,
        topic="factor_added",
        payload={"to": ADA.email, "factor": "<b>key</b>\r\nBcc: evil@example.net"},
    )

    mail, text, html = parts_of(composer_with().compose(message))

    assert mail["Bcc"] is None
    assert "<b>key</b>" in text
    assert "<b>key" not in html
    assert "&lt;b&gt;key&lt;/b&gt;" in html


@pytest.mark.parametrize("topic", WITH_LINK)
def test_a_mail_whose_link_has_expired_is_given_up(topic):
    message = queued(topic)
    end = NOW + TOPICS[topic].link.lifetime_seconds

    composer_with(now=end - 1).compose(message)
    with pytest.raises(PermanentDeliveryError, match="expired"):
        composer_with(now=end).compose(message)


def test_a_topic_of_another_version_is_given_up():
    with pytest.raises(PermanentDeliveryError, match="topic is unknown"):
        composer_with().compose(new_message(ADA, topic="of_tomorrow"))


@pytest.mark.parametrize(
    "address",
    [
        "a@example.com, evil@example.net",
        "Foo <evil@example.net>",
        "a@example.com\r\nBcc: evil@example.net",
        "a\0@example.com",
        "nobody",
        "",
    ],
)
def test_a_recipient_that_is_not_one_address_is_given_up(address):
    message = new_message(ADA, payload={"to": address})

    with pytest.raises(PermanentDeliveryError, match="recipient"):
        composer_with().compose(message)


def test_a_domain_beyond_ascii_is_sent_as_a_labels():
    composed = composer_with().compose(new_message(ADA, payload={"to": "ada@bücher.example"}))

    assert (composed.recipient, composed.needs_utf8) == ("ada@xn--bcher-kva.example", False)
    assert composed.content.isascii()


def test_no_line_of_a_mail_is_longer_than_smtp_allows():
    url = f"https://{'a' * 60}.example.org"
    composer = MailComposer(
        Templates(),
        Tokens(),
        public_url=url,
        sender=Address("Ü" * 60, "auth", "example.org"),
        clock=lambda: NOW,
    )

    composed = composer.compose(queued("reset"))

    assert max(len(line) for line in composed.content.split(b"\r\n")) <= 998
    assert b"\n" not in composed.content.replace(b"\r\n", b"")
    assert f"{url}/account/reset#token=" in parts_of(composed)[1]


# --- The tokens of links


def test_a_link_s_token_is_bound_to_versions_and_signed_the_same_each_time(client, clock):
    tokens = PurposeTokens(client.app.service.codec.issuer)
    message = queued("reset")

    first = tokens.sign(message)
    clock.advance(minutes=5)

    assert tokens.sign(message) == first
    assert tokens.sign(queued("reset")) != first
    from falcon_auth.sessions.signed_tokens import SignedTokens

    claims = SignedTokens(client.app.service.codec.issuer, "password-reset").verify(first)
    assert (claims.text("uid"), claims.text("to")) == (ADA.id, ADA.email)
    assert (claims.integer("pwv"), claims.integer("emv")) == (3, 4)
    assert claims.expires_at == int(NOW) + 3600


def test_a_mail_without_a_link_has_no_token(client):
    tokens = PurposeTokens(client.app.service.codec.issuer)

    with pytest.raises(ValueError, match="password_changed has no link"):
        tokens.sign(queued("password_changed"))


# --- An operator's own templates


@pytest.fixture
def own(tmp_path):
    def write(**files):
        for name, text in files.items():
            (tmp_path / name.replace("__", ".")).write_text(text)
        return tmp_path

    return write


GERMAN = "Neues Passwort für {{ service }}\n\nHier: {{ link }}\n"


def test_an_own_template_comes_before_the_built_in_one_and_is_text_only_without_html(own):
    folder = own(reset__txt="Mine, for {{ to }}\n\n{{ link }}\n")

    mail, text, html = parts_of(composer_with(folder).compose(queued("reset")))

    assert mail["Subject"] == f"Mine, for {ADA.email}"
    assert text.startswith(URL)
    assert html is None
    assert parts_of(composer_with(folder).compose(queued("password_changed")))[2] is not None


@pytest.mark.parametrize(
    ("language", "german"), [("de", True), ("de-AT", True), ("fr", False), (None, False)]
)
def test_a_mail_is_in_the_closest_language_there_is(own, language, german):
    folder = own(reset__de__txt=GERMAN, reset__de__html="<p>{{ link }} für dich</p>")

    mail, text, html = parts_of(composer_with(folder).compose(queued("reset", language=language)))

    assert mail["Subject"].startswith("Neues Passwort für") == german
    assert text.startswith("Hier: ") == german
    assert ("für dich" in html) == german


def test_an_own_layout_is_around_the_built_in_texts(own):
    folder = own(layout__html="<i>Ours</i>{% block content %}{% endblock %}")

    html = parts_of(composer_with(folder).compose(queued("reset")))[2]

    assert html.startswith("<i>Ours</i>")


def test_a_subject_is_one_line_of_bounded_length(own):
    folder = own(reset__txt="  A\t {{ to }}  " + "x" * 999 + "\n\ntext {{ link }}\n")

    subject = Templates(folder).render("reset", {"to": "a\u2028b", "link": ""}).subject

    assert subject.startswith("A a b xxx")
    assert len(subject) == 200


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"reset__txt": "S\n\n{{ tokn }}\n"}, "reset.txt: 'tokn' is undefined"),
        ({"reset__txt": "S\n\n{% if %}\n"}, "reset.txt, line 3: "),
        ({"reset__txt": "S\n\n{{ to.__class__.__mro__ }}\n"}, "reset.txt: "),
        ({"reset__txt": "S\n\n{{ 1 / 0 }}\n"}, "reset.txt: division by zero"),
        ({"reset__txt": "S\n\n{{ to + 1 }}\n"}, "reset.txt: "),
        ({"reset__txt": "Only a subject"}, "reset.txt: a subject, a line break, then the text"),
        ({"reset__txt": ""}, "reset.txt: a subject"),
        ({"rest__txt": "S\n\ntext\n"}, "rest.txt: no mail has this name"),
        ({"reset__de__html": "<p></p>"}, "reset.de.html: needs a reset.de.txt beside it"),
        ({"layout__html": "{{ tokn }}"}, "'tokn' is undefined"),
    ],
)
def test_a_template_that_does_not_work_is_found_when_all_are_checked(own, files, says):
    with pytest.raises(TemplateFaultError) as raised:
        Templates(own(**files)).check(GENERAL)

    assert says in str(raised.value)


def test_a_folder_that_is_missing_or_not_utf_8_is_found(tmp_path):
    with pytest.raises(TemplateFaultError, match="the folder cannot be read"):
        Templates(tmp_path / "nowhere").check(GENERAL)
    (tmp_path / "reset.txt").write_bytes(b"\xff\n\n\xff\n")
    with pytest.raises(TemplateFaultError, match=r"reset\.txt"):
        Templates(tmp_path).check(GENERAL)


def test_other_files_in_the_folder_are_left_alone(own):
    Templates(own(README__md="# ours", **{"reset__txt~": "x"})).check(GENERAL)


def test_a_template_that_breaks_later_has_its_mails_tried_again(own, logged):
    folder = own(reset__txt="S\n\n{{ link }}\n")
    composer = composer_with(folder)
    (folder / "reset.txt").write_text("S\n\n{{ tokn }}\n")

    with pytest.raises(TemporaryDeliveryError, match="template"):
        composer.compose(queued("reset"))

    assert logged.events("template_broken")


def test_a_mail_that_there_is_not_cannot_be_rendered():
    with pytest.raises(TemplateFaultError, match="no mail has this name"):
        Templates().render("nothing", {})


def test_every_topic_has_its_texts_built_in_and_no_text_is_left_over():
    names = {path.name for path in Path(BUILT_IN).iterdir()}

    assert names == {f"{topic}.{kind}" for topic in TOPIC_NAMES for kind in ("txt", "html")} | {
        "layout.html"
    }
    Templates().check(GENERAL)
