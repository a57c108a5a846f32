"""A model of refresh rotation, and a search through every order in which its steps can happen.

The steps are those of `Sessions.refresh`: `find`, `rotate`, `end` where a token was replayed, and
the answer. Each is atomic, as `SessionStore` promises. Between two of them anything may happen:
a step of another request in another process, a crash, a lost answer, a log-out, a password reset,
or the passing of time. States are small values, so the search visits each of them once.

Time passes in ticks. A request lives for one at most, because the server cuts slower ones. The
grace is two. A client refreshes a token that is two ticks old, because access tokens live longer
than requests do; where the answer is lost, it repeats the request as long as the repeat arrives
within the grace.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

REQUEST_LIFE = 1
GRACE = ACCESS_LIFE = 2
LAST_TICK, LAST_GENERATION = 5, 3  # Where the search stops.
MAX_REQUESTS = 2  # At the same moment.


class Session(NamedTuple):
    generation: int = 0
    issued_at: int = 0  # When the current generation was.
    ended: bool = False


class Token(NamedTuple):
    generation: int = 0
    serial: int = 0  # Differs where the same generation was issued twice with another content.


class Request(NamedTuple):
    """A refresh on its way through one process."""

    sender: str  # `client` or `thief`.
    token: Token
    sent_at: int
    step: str = "find"
    found: int = 0  # The session's generation, as `find` saw it.
    successor: Token | None = None


class Answer(NamedTuple):
    """What reached a sender: `tokens`, `revoked` or `reused`."""

    sender: str
    outcome: str


class World(NamedTuple):
    now: int = 0
    session: Session = Session()
    requests: tuple[Request, ...] = ()  # Sorted: their order means nothing.
    client: Token | None = Token()
    client_since: int = 0  # When the client got its token.
    thief: Token | None = None
    issued: frozenset[Token] = frozenset({Token()})
    end_acknowledged: bool = False  # The owner logged out or reset the password.


class Step(NamedTuple):
    """The world after a step, and the answer that it was, if it was one."""

    world: World
    answer: Answer | None = None


@dataclass(frozen=True)
class Rules:
    """The service's, and the faults that the search has to find."""

    rotate: Callable[[World, Request], tuple[Session, bool | None]]
    serial: Callable[[World], int] = lambda _world: 0
    grace: int = GRACE
    thief: bool = False
    client_waits: bool = True


def compare_and_set(world: World, request: Request) -> tuple[Session, bool | None]:
    """`SessionStore.rotate`: move on from the expected generation of a live session, or look."""
    session = world.session
    if session.ended:
        return session, None
    if session.generation != request.token.generation:
        return session, False
    return Session(session.generation + 1, world.now), True


SERVICE = Rules(rotate=compare_and_set)


def steps(world: World, rules: Rules) -> Iterator[Step]:
    """Return every step that can be taken now."""
    yield from _send(world, rules)
    for request in world.requests:
        others = list(world.requests)
        others.remove(request)
        without = world._replace(requests=tuple(others))
        yield Step(without)  # The process crashed, or the answer was lost.
        yield from _advance(without, request, rules)
    if not world.end_acknowledged:
        ended = world.session._replace(ended=True)
        yield Step(world._replace(session=ended, end_acknowledged=True))
    if rules.thief and world.thief is None and world.client is not None:
        yield Step(world._replace(thief=world.client))
    if world.now < LAST_TICK:
        kept = (each for each in world.requests if world.now < each.sent_at + REQUEST_LIFE)
        yield Step(world._replace(now=world.now + 1, requests=tuple(kept)))


def _send(world: World, rules: Rules) -> Iterator[Step]:
    if len(world.requests) == MAX_REQUESTS or world.session.generation == LAST_GENERATION:
        return
    if world.client is not None and (not rules.client_waits or _client_may_send(world)):
        yield _with(world, Request("client", world.client, world.now))
    if world.thief is not None:
        yield _with(world, Request("thief", world.thief, world.now))


def _client_may_send(world: World) -> bool:
    age = world.now - world.client_since
    return ACCESS_LIFE <= age <= ACCESS_LIFE + GRACE - REQUEST_LIFE


def _advance(world: World, request: Request, rules: Rules) -> Iterator[Step]:
    if request.step == "find":
        yield from _find(world, request)
    elif request.step == "rotate":
        yield from _rotate(world, request, rules)
    elif request.step == "end":
        ended = world.session._replace(ended=True)
        yield _answer(world._replace(session=ended), request, "reused")
    elif request.step == "answer":
        yield _answer(world, request, "tokens")


def _find(world: World, request: Request) -> Iterator[Step]:
    if world.session.ended or request.token.generation > world.session.generation:
        yield _answer(world, request, "revoked")
    else:
        yield _with(world, request._replace(step="rotate", found=world.session.generation))


def _rotate(world: World, request: Request, rules: Rules) -> Iterator[Step]:
    session, won = rules.rotate(world, request)
    if won is None:
        yield _answer(world, request, "revoked")
        return
    within_grace = (
        session.generation == request.token.generation + 1
        and world.now - session.issued_at <= rules.grace
    )
    if not won and not within_grace:
        yield _with(world, request._replace(step="end"))
        return
    successor = Token(session.generation, rules.serial(world))
    moved = world._replace(session=session, issued=world.issued | {successor})
    yield _with(moved, request._replace(step="answer", successor=successor))


def _with(world: World, request: Request) -> Step:
    return Step(world._replace(requests=tuple(sorted((*world.requests, request), key=repr))))


def _answer(world: World, request: Request, outcome: str) -> Step:
    answer = Answer(request.sender, outcome)
    if request.sender == "thief":
        return Step(world._replace(thief=request.successor or world.thief), answer)
    if request.successor is None:
        return Step(world._replace(client=None), answer)
    if world.client is not None and request.successor <= world.client:
        return Step(world, answer)
    return Step(world._replace(client=request.successor, client_since=world.now), answer)


def search(rules: Rules, is_fault: Callable[[World, Step], bool]) -> tuple[int, list[World]]:
    """Visit every world; return how many there are, and the shortest way to a fault, if any.

    *is_fault* is asked about each step: the world before it, and the step.
    """
    came_from: dict[World, World | None] = {World(): None}
    queue = deque(came_from)
    while queue:
        before = queue.popleft()
        for step in steps(before, rules):
            if is_fault(before, step):
                return len(came_from), [*_way_to(before, came_from), step.world]
            if step.world not in came_from:
                came_from[step.world] = before
                queue.append(step.world)
    return len(came_from), []


def _way_to(world: World | None, came_from: dict[World, World | None]) -> list[World]:
    way = []
    while world is not None:
        way.append(world)
        world = came_from[world]
    return way[::-1]
