"""The Falcon application: no route bypasses the guard, and JSON follows RFC 8259 strictly."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NoReturn

import falcon
from falcon import Request, Response
from falcon.media import BaseHandler, Handlers
from falcon.routing import CompiledRouter, map_http_methods
from falcon.typing import ReadableIO

from falcon_auth.access.scopes import require_declared
from falcon_auth.api.guard import NOTHING_MORE, Requirement, requirements_of
from falcon_auth.errors import MalformedJsonError, PayloadTooLargeError
from falcon_auth.strict_json import dump_json, parse_json

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

MAX_BODY_BYTES = 16 * 1024
_NO_METHOD = "UNKNOWN"  # A method that no resource answers.


def read_json(req: Request) -> Any:
    """Parse a request's body. Raises as `read_body` does, and `MalformedJsonError`."""
    return _parse(read_body(req))


def read_body(req: Request) -> bytes:
    """Return a request's body. Raises `PayloadTooLargeError`, before anything is read."""
    length = req.content_length
    if length is None and req.env.get(
        "wsgi.input_terminated"
    ):  # Chunked, which the server supports.
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
    """Return a pattern for the paths of a URI template.

    `{path}` and `{path:path}` match the rest of the path, and any other placeholder one segment.
    """
    literals = re.split(r"\{[^}]*\}", template)
    pattern = "[^/]*".join(map(re.escape, literals))
    if template.endswith(("{path}", "{path:path}")):
        pattern = pattern.removesuffix("[^/]*") + ".*"
    return re.compile(pattern, re.DOTALL)


class StrictJsonHandler(BaseHandler):
    """Falcon's JSON handler, with a strict parser and a size limit."""

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

    Falcon would encode it after them. If that failed, the response would be an empty 500, although
    the log and the metrics had reported a success.
    """

    def process_response(
        self,
        req: Request,  # noqa: ARG002 - Falcon's shape
        resp: Response,
        resource: object,  # noqa: ARG002 - Falcon's shape
        req_succeeded: bool,  # noqa: ARG002, FBT001 - Falcon's shape
    ) -> None:
        """Encode the body; Falcon caches the result. Raises what the encoder raises."""
        resp.render_body()


class AnyMethod:
    """A resource that handles all methods in the same way.

    That includes OPTIONS, even for a preflight, and unknown methods: no method bypasses the guard.
    """

    def on_any(self, req: Request, resp: Response, **params: object) -> None:
        """Answer."""
        raise NotImplementedError  # pragma: no cover - a declaration for the router, never called


class _Responders(dict[str, Any]):
    """The one responder of an `AnyMethod`, for every method."""

    def __init__(self, responder: object) -> None:
        super().__init__(dict.fromkeys(falcon.COMBINED_METHODS, responder))
        self._responder = responder

    def __missing__(self, method: str) -> object:
        return self._responder


class _Router(CompiledRouter):
    """Routes HEAD to a resource's `on_head`, or else to its `on_get` (RFC 9110, 9.3.2)."""

    def map_http_methods(self, resource: object, **kwargs: Any) -> dict[str, Any]:
        """Map methods to responders; Falcon itself omits the body of a response to HEAD."""
        if isinstance(resource, AnyMethod):
            return _Responders(resource.on_any)
        responders: dict[str, Any] = super().map_http_methods(resource, **kwargs)
        if "GET" in responders:
            responders.setdefault("HEAD", responders["GET"])
        return responders


class _EveryMethod(frozenset[str]):
    """The methods of an `AnyMethod`: it contains every method, but lists only GET."""

    def __contains__(self, method: object) -> bool:
        return isinstance(method, str)


_EVERY_METHOD = _EveryMethod({"GET"})


class AuthApp(falcon.App[Request, Response]):
    """A Falcon application whose routes are all seen by its middleware.

    `methods` maps each URI template to the methods that its resource answers; `service_routes` are
    the templates of the service itself, without those that an application added. `requirements` has
    the requirements of methods that need more than a token. `scopes` are the declared ones: a
    resource that requires another one is refused.
    """

    def __init__(self) -> None:
        self.methods: dict[str, frozenset[str]] = {}
        self.service_routes: frozenset[str] = frozenset()
        self.scopes: frozenset[str] = frozenset()
        self.requirements: dict[tuple[str, str], Requirement] = {}
        super().__init__(router=_Router())
        handlers = Handlers({falcon.MEDIA_JSON: StrictJsonHandler()})
        self.req_options.media_handlers = handlers
        self.req_options.default_media_type = ""  # A body without a declared type is refused.
        self.resp_options.media_handlers = handlers

    def __call__(self, env: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request (PEP 3333).

        Falcon rejects its own pseudo-method before any middleware runs, so the response would have
        neither a request id nor headers. It is treated like any other unknown method instead.
        """
        if env["REQUEST_METHOD"] in self._META_METHODS:
            env["REQUEST_METHOD"] = _NO_METHOD
        return super().__call__(env, start_response)

    def add_route(self, uri_template: str, resource: object, **kwargs: Any) -> None:
        """Add a resource; it is guarded unless its class is marked `public`.

        Raises `TypeError` for a resource that can be falsy, because Falcon skips the middleware and
        so the guard for those, and for one that is public but has requirements. Raises
        `UndeclaredScopeError` for one that requires a scope which is not declared.
        """
        kind = type(resource)
        if hasattr(kind, "__bool__") or hasattr(kind, "__len__"):
            message = f"{kind.__name__} can be false, and would then not be guarded"
            raise TypeError(message)
        responders = map_http_methods(resource, suffix=kwargs.get("suffix"))
        requirements = requirements_of(resource, responders)
        wanted = {scope for each in requirements.values() for scope in each.scopes}
        require_declared(wanted, self.scopes, where=kind.__name__)
        super().add_route(uri_template, resource, **kwargs)
        self.methods[uri_template] = frozenset(responders)
        if isinstance(resource, AnyMethod):
            self.methods[uri_template] = _EVERY_METHOD
        if "GET" in requirements:
            requirements.setdefault("HEAD", requirements["GET"])
        for method, requirement in requirements.items():
            if requirement != NOTHING_MORE:
                self.requirements[uri_template, method] = requirement

    def add_sink(self, *_args: object, **_kwargs: object) -> NoReturn:
        """Refuse: Falcon runs no guard before a sink. Raises `TypeError`."""
        message = "sinks bypass the guard; add a resource for each route"
        raise TypeError(message)

    def add_static_route(self, *_args: object, **_kwargs: object) -> NoReturn:
        """Refuse: Falcon runs no guard before static files. Raises `TypeError`."""
        message = "static routes bypass the guard; serve files from a resource, or a proxy"
        raise TypeError(message)

    def allowed_methods(self, req: Request) -> list[str]:
        """Return the methods for the Allow header, sorted; HEAD works wherever GET does."""
        methods = self.methods.get(req.uri_template or "", frozenset())
        return sorted(methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set()))

    def requirement_for(self, req: Request) -> Requirement:
        """Return what the routed operation requires in addition to a token."""
        return self.requirements.get((req.uri_template or "", req.method), NOTHING_MORE)

    def has_own_route(self, path: str) -> bool:
        """Return whether *path* belongs to a route that an application added."""
        added = self.methods.keys() - self.service_routes
        return any(template_pattern(template).fullmatch(path) for template in added)

    def answers(self, req: Request) -> bool:
        """Return whether the routed resource has a responder for the method; HEAD may be GET's."""
        methods = self.methods.get(req.uri_template or "", frozenset())
        return req.method in methods or (req.method == "HEAD" and "GET" in methods)
