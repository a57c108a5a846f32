"""`mail`: preview the templates, and send a test mail."""

from __future__ import annotations

import sys
import time
from urllib.parse import urlsplit

import click

from falcon_auth.accounts.email_addresses import EmailSyntaxError, parse_email
from falcon_auth.commands.serve import read_settings
from falcon_auth.commands.startup import refuse
from falcon_auth.delivery.channel import DeliveryError
from falcon_auth.delivery.topics import TOPIC_NAMES
from falcon_auth.errors import ConfigurationError
from falcon_auth.models import Message, time_ordered_id
from falcon_auth.settings import Settings


@click.group()
def mail() -> None:
    """Preview the mails, and send a test mail."""


@mail.command()
@click.argument("name", type=click.Choice(TOPIC_NAMES))
@click.option("--language", help="A language tag such as de, if MAIL_TEMPLATES has that language.")
@click.option("--html", is_flag=True, help="Print the HTML part instead of the text.")
def preview(name: str, language: str | None, *, html: bool) -> None:
    """Print the mail NAME with sample data, from MAIL_TEMPLATES or the built-in templates."""
    # Imported here: no other command loads Jinja2.
    from falcon_auth.delivery.templates import sample_facts  # noqa: PLC0415
    from falcon_auth.service.mail import make_templates  # noqa: PLC0415

    settings = read_settings(logs=sys.stderr)
    try:
        templates = make_templates(settings)
    except ConfigurationError as error:
        refuse(str(error))
    base = {"public_url": settings.public_base}
    base["service"] = urlsplit(settings.public_base).hostname or ""
    rendered = templates.render(name, sample_facts(name, base), language)
    if not html:
        click.echo(f"Subject: {rendered.subject}\n\n{rendered.text}", nl=False)
    elif rendered.html is None:
        raise click.ClickException("This mail has no HTML part.")
    else:
        click.echo(rendered.html)


@mail.command()
@click.argument("address")
def test(address: str) -> None:
    """Send a test mail to ADDRESS by MAIL_URL immediately, without the outbox."""
    settings = read_settings(logs=sys.stderr)
    if settings.mail_url is None:
        raise click.ClickException("MAIL_URL is not set, so no mail can be sent.")
    try:
        recipient = parse_email(address).text
    except EmailSyntaxError:
        raise click.ClickException("That is not an e-mail address.") from None
    try:
        _send(settings, recipient)
    except ConfigurationError as error:
        refuse(str(error))
    except DeliveryError as error:
        raise click.ClickException(f"Not delivered: {error}.") from None
    click.echo("The server has accepted the mail.")


def _send(settings: Settings, recipient: str) -> None:
    # Imported here: other commands do not need them.
    from falcon_auth.delivery.mime import Rendered, compose  # noqa: PLC0415
    from falcon_auth.service.mail import make_transport, sender_of  # noqa: PLC0415

    now = time.time()
    host = urlsplit(settings.public_base).hostname or "localhost"
    message = Message(
        id=time_ordered_id(now),
        channel="mail",
        topic="test",
        user_id=None,
        payload={"to": recipient},
        created_at=now,
        due_at=now,
    )
    text = f"This is a test: {host} can send mail to you.\n"
    transport = make_transport(settings)
    try:
        rendered = Rendered(f"A test mail from {host}", text, None)
        transport.send(compose(message, rendered, sender=sender_of(settings), host=host))
    finally:
        transport.rest()
