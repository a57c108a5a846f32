"""Messages for tests of the outbox and of what delivers it."""

import uuid

from store_records import NOW

from falcon_auth.models import Message


def new_message(user=None, **more):
    """A notice to *user*, due at once."""
    values = {
        "id": str(uuid.uuid4()),
        "channel": "mail",
        "topic": "password_changed",
        "user_id": user and user.id,
        "payload": {
            "to": user.email if user else "nobody@example.com",
            "password_version": 1,
            "email_version": 2,
            "language": None,
        },
        "created_at": NOW,
        "due_at": NOW,
    }
    return Message(**(values | more))
