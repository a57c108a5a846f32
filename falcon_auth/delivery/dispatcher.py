"""The thread that delivers the messages of the outbox: one per process, one message at a time.

Delivery is at least once: a message is deleted only after its receiver has accepted it. In normal
operation no message is delivered twice: it is leased for `LEASE_SECONDS`, longer than any delivery
may take, and no other process gets it before the lease ends.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import structlog

from falcon_auth.delivery.channel import (
    Channel,
    PermanentDeliveryError,
    ServerAwayError,
    TemporaryDeliveryError,
)
from falcon_auth.errors import StoreUnavailableError
from falcon_auth.models import Message
from falcon_auth.store import OutboxCount, OutboxStore

LEASE_SECONDS = 30.0
DELIVERY_SECONDS = 20.0  # For one message; the rest of the lease is for the store.
POLL_SECONDS = 5.0  # Between polls for messages of other processes and for retries.
SOON_SECONDS = 0.05  # After a message was announced, and then twice as long each time.
BATCH = 100  # Messages of one channel before the next channel gets its turn.
COUNT_SECONDS = 15.0  # Between two counts for the metrics.
KEPT_SECONDS = 30 * 24 * 3600  # How long a message that failed stays visible.

log = structlog.get_logger("falcon_auth.delivery")

Clock = Callable[[], float]
Count = Callable[[str, str, str], None]  # Of a channel, a topic and a result.


@dataclass
class Circuit:
    """The circuit breaker of a channel; for one thread.

    It opens after *threshold* consecutive failures to reach the server, or after a failed trial;
    then nothing is leased until *timeout* seconds have passed.
    """

    threshold: int = 5
    timeout: float = 30.0
    failures: int = 0
    opens_at: float | None = None  # When the next message may try.

    def state(self, now: float) -> str:
        """Return `closed`, `open` or `half_open`."""
        if self.opens_at is None:
            return "closed"
        return "open" if now < self.opens_at else "half_open"

    def fail(self, now: float) -> None:
        """Count a failure to reach the server."""
        self.failures += 1
        if self.failures >= self.threshold:
            self.opens_at = now + self.timeout

    def succeed(self) -> None:
        """Count a response of the server, whatever its content."""
        self.failures, self.opens_at = 0, None


class Dispatcher:
    """Delivers messages until it is stopped. `expect` and `ensure_running` are for any thread.

    *clock* returns epoch seconds; *count* is called for each attempt: `delivered`, `postponed` or
    `failed`.
    """

    def __init__(
        self,
        outbox: OutboxStore,
        channels: Mapping[str, Channel],
        *,
        clock: Clock,
        count: Count = lambda *_: None,
        threshold: int = 5,
        timeout: float = 30.0,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._outbox = outbox
        self._channels = dict(channels)
        self._clock = clock
        self._count = count
        self._circuits = {name: Circuit(threshold, timeout) for name in channels}
        self._new_circuit = partial(Circuit, threshold, timeout)
        self._poll_seconds = poll_seconds
        self._counts: dict[str, OutboxCount] = {}
        self._counted_at = float("-inf")
        self._expected = threading.Event()
        self._stopped = threading.Event()
        self._starting = threading.Lock()
        self._process: int | None = None
        self._thread: threading.Thread | None = None

    def add_channel(self, name: str, channel: Channel) -> None:
        """Add a channel. Call it before the first delivery."""
        self._channels[name] = channel
        self._circuits[name] = self._new_circuit()

    # --- For any thread

    def expect(self) -> None:
        """Wake the thread soon, because the caller is about to store a message."""
        self._expected.set()
        self.ensure_running()

    def ensure_running(self) -> bool:
        """Start the thread if this process has none yet: threads do not survive a fork.

        Returns False, which tells housekeeping that no further work is left.
        """
        if self._process != os.getpid():
            with self._starting:
                if self._process != os.getpid() and not self._stopped.is_set():
                    self._thread = threading.Thread(target=self._run, name="delivery", daemon=True)
                    self._thread.start()
                    self._process = os.getpid()
        return False

    def stop(self) -> None:
        """Stop the thread after its current message, which takes `DELIVERY_SECONDS` at most."""
        self._stopped.set()
        self._expected.set()
        if self._thread is not None and self._process == os.getpid():
            self._thread.join(LEASE_SECONDS)

    def state(self, channel: str) -> str:
        """Return the state of a channel's circuit: `closed`, `open` or `half_open`."""
        return self._circuits[channel].state(self._clock())

    def counted(self, channel: str) -> OutboxCount:
        """Return the numbers of messages by channel at the last count."""
        return self._counts.get(channel, OutboxCount(channel, 0, 0, None))

    # --- For the delivery thread, and for tests and commands without one

    def deliver_due(self) -> int:
        """Deliver the messages that are due in all channels; return how many were attempted."""
        tried = 0
        try:
            while batch := sum(self._deliver_batch(name) for name in self._channels):
                tried += batch
        finally:
            for channel in self._channels.values():
                channel.rest()
        return tried

    def _run(self) -> None:
        pause = 0.0  # An earlier process may have left messages that are due.
        while not self._stopped.is_set():
            if self._expected.wait(pause):
                self._expected.clear()
                self._stopped.wait(pause := SOON_SECONDS)
            try:
                self._refresh_counts()
                self.deliver_due()
            except StoreUnavailableError:
                pause = self._poll_seconds
            except Exception as error:  # noqa: BLE001 - the thread must survive
                log.error("delivery_broken", error=type(error).__name__)  # noqa: TRY400 - its text may quote data
                pause = self._poll_seconds
            pause = min(pause * 2 or self._poll_seconds, self._poll_seconds)

    def _deliver_batch(self, name: str) -> int:
        for tried in range(BATCH):
            if self._stopped.is_set() or self.state(name) == "open":
                return tried
            now = self._clock()
            message = self._outbox.lease(name, now=now, until=now + LEASE_SECONDS)
            if message is None:
                return tried
            self._deliver(message)
        return BATCH

    def _deliver(self, message: Message) -> None:
        circuit = self._circuits[message.channel]
        try:
            self._channels[message.channel].deliver(message)
        except ServerAwayError as error:
            circuit.fail(self._clock())
            self._postpone(message, str(error))
        except TemporaryDeliveryError as error:
            circuit.succeed()
            self._postpone(message, str(error))
        except PermanentDeliveryError as error:
            circuit.succeed()
            self._give_up(message, str(error))
        except Exception as error:  # noqa: BLE001 - one message must not stop the others
            self._postpone(message, f"unforeseen: {type(error).__name__}")
        else:
            circuit.succeed()
            self._outbox.remove_delivered(message)
            self._count_result(message, "delivered")
            log.info("message_delivered", **_fields(message))

    def _postpone(self, message: Message, error: str) -> None:
        pauses = self._channels[message.channel].pauses
        if message.attempts > len(pauses):
            self._give_up(message, error)
            return
        due_at = self._clock() + pauses[message.attempts - 1]
        self._outbox.postpone(message, due_at=due_at, error=error)
        self._count_result(message, "postponed")
        log.warning("message_postponed", **_fields(message), reason=error)

    def _give_up(self, message: Message, error: str) -> None:
        self._outbox.give_up(message, now=self._clock(), error=error)
        self._count_result(message, "failed")
        log.error("message_failed", **_fields(message), reason=error)

    def _count_result(self, message: Message, result: str) -> None:
        self._count(message.channel, message.topic, result)

    def _refresh_counts(self) -> None:
        now = self._clock()
        if now - self._counted_at >= COUNT_SECONDS:
            self._outbox.sweep_failed(failed_before=now - KEPT_SECONDS)
            self._counts = {each.channel: each for each in self._outbox.counts()}
            self._counted_at = now


def _fields(message: Message) -> dict[str, str | int | None]:
    return {
        "channel": message.channel,
        "topic": message.topic,
        "message_id": message.id,
        "user_id": message.user_id,
        "attempts": message.attempts,
    }
