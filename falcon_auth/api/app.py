"""The Falcon application: routes that cannot slip past the guard, and JSON as RFC 8259 has it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NoReturn

import falcon
from falcon import Request, Response
from falcon.media import BaseHandler, Handlers
from falcon.routing import map_http_methods
from falcon.typing import ReadableIO

from falcon_auth.errors import MalformedJsonError, PayloadTooLargeError
from falcon_auth.strict_json import dump_json, parse_json

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

MAX_BODY_BYTES = 16 * 1024
_NO_METHOD = "UNKNOWN"  # What no resource answers.


def read_json(req: Request) -> Any:
    """Parse a request's body. Raises as `read_body` does, and `MalformedJsonError`."""
    return _parse(read_body(req))


def read_body(req: Request) -> bytes:
    """Return a request's body. Raises `PayloadTooLargeError`, before anything is read."""
    length = req.content_length
    if length is None and req.env.get("wsgi.input_terminated"):  # Chunked, and the server can.
        return _read(req.env["wsgi.input"], None)
    return _read(req.bounded_stream, length or 0)


def _read(stream: ReadableIO, length: int | None) -> bytes:
    if length is not None and length > MAX_BODY_BYTES:
        raise PayloadTooLargeError
    data = stream.read(MAX_BODY_BYTES + 1)
    if len(data) > MAX_BODY_BYTES:
        raise PayloadTooLargeError
    return data


def _parse(data: bytes) -> Any:
    try:
        return parse_json(data)
    except ValueError:
        raise MalformedJsonError from None


def template_pattern(template: str) -> re.Pattern[str]:
    """Return what matches the paths of a URI template."""
    return re.compile("[^/]*".join(map(re.escape, re.split(r"\{[^}]*\}", template))))


class StrictJsonHandler(BaseHandler):
    """Falcon's JSON in and out, bounded in size and without the parser's lenience."""

    def serialize(self, media: object, content_type: str) -> bytes:  # noqa: ARG002 - Falcon's shape
        """Encode a response's media."""
        return dump_json(media)

    def deserialize(
        self,
        stream: ReadableIO,
        content_type: str | None,  # noqa: ARG002 - Falcon's shape
        content_length: int | None,
    ) -> Any:
        """Parse a body. Raises as `read_json` does."""
        return _parse(_read(stream, content_length or 0))


class RenderInside:
    """Middleware that encodes the body before the others look at the response.

    Falcon would do it after them, where a body that cannot be encoded is answered with an empty
    500 while log and metrics tell of a success.
    """

    def process_response(
        self,
        req: Request,  # noqa: ARG002 - Falcon's shape
        resp: Response,
        resource: object,  # noqa: ARG002 - Falcon's shape
        req_succeeded: bool,  # noqa: ARG002, FBT001 - Falcon's shape
    ) -> None:
        """Encode it; Falcon keeps the result. Raises what the encoder raises."""
        resp.render_body()


class AuthApp(falcon.App[Request, Response]):
    """A Falcon application whose routes are all seen by its middleware.

    `methods` tells for each URI template which methods its resource answers; `service_routes`
    are the templates of the service itself, without those that an application added.
    """

    def __init__(self) -> None:
        self.methods: dict[str, frozenset[str]] = {}
        self.service_routes: frozenset[str] = frozenset()
        super().__init__()
        handlers = Handlers({falcon.MEDIA_JSON: StrictJsonHandler()})
        self.req_options.media_handlers = handlers
        self.req_options.default_media_type = ""  # A body without a declared type is refused.
        self.resp_options.media_handlers = handlers

    def __call__(self, env: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request (PEP 3333).

        Falcon turns its own pseudo-method down before any middleware has run, so that the
        answer would have neither id nor headers: it is taken as any other unknown method.
        """
        if env["REQUEST_METHOD"] in self._META_METHODS:
            env["REQUEST_METHOD"] = _NO_METHOD
        return super().__call__(env, start_response)

    def add_route(self, uri_template: str, resource: object, **kwargs: Any) -> None:
        """Add a resource; it is guarded unless its class is marked `public`.

        Raises `TypeError` for a resource that can be false: Falcon skips the middleware, and so
        the guard, for those.
        """
        kind = type(resource)
        if hasattr(kind, "__bool__") or hasattr(kind, "__len__"):
            message = f"{kind.__name__} can be false, and would then not be guarded"
            raise TypeError(message)
        super().add_route(uri_template, resource, **kwargs)
        responders = map_http_methods(resource, suffix=kwargs.get("suffix"))
        self.methods[uri_template] = frozenset(responders)

    def add_sink(self, *_args: object, **_kwargs: object) -> NoReturn:
        """Refuse: Falcon runs no guard before a sink. Raises `TypeError`."""
        message = "sinks pass by the guard; add a resource for each route"
        raise TypeError(message)

    def add_static_route(self, *_args: object, **_kwargs: object) -> NoReturn:
        """Refuse: Falcon runs no guard before static files. Raises `TypeError`."""
        message = "static routes pass by the guard; serve files from a resource, or a proxy"
        raise TypeError(message)

    def allowed_methods(self, req: Request) -> list[str]:
        """Return what belongs into Allow: HEAD works wherever GET does."""
        methods = self.methods.get(req.uri_template or "", frozenset())
        return sorted(methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set()))

    def has_own_route(self, path: str) -> bool:
        """Return whether *path* is one that an application added to the service's."""
        added = self.methods.keys() - self.service_routes
        return any(template_pattern(template).fullmatch(path) for template in added)

    def answers(self, req: Request) -> bool:
        """Return whether the routed resource has a responder of its own for the method."""
        return req.method in self.methods.get(req.uri_template or "", frozenset())
