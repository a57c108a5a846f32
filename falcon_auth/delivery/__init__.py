"""Messages on their way out: the outbox, mail, and whatever else a channel delivers to."""
