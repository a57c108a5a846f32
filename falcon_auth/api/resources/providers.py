"""Log-in by others: the way to a provider and back, and the caller's identities."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

import falcon
from falcon import Request, Response

from falcon_auth.api.bodies import BodyReader
from falcon_auth.api.forms import FormReader
from falcon_auth.api.guard import public, requires
from falcon_auth.api.refresh_cookie import RefreshCookie, wants_cookie
from falcon_auth.api.resources.attempt_cookies import PROVIDERS, AttemptCookies
from falcon_auth.api.views import show_identity
from falcon_auth.errors import ProviderRefusedError
from falcon_auth.providers.assembly import Providers
from falcon_auth.providers.identities import Identities
from falcon_auth.providers.login import ProviderLogin

MAX_PARAMETERS = 20
# What an answer is read for; Apple's has more.
ANSWER = frozenset({"code", "state", "iss", "error"})


def provider_routes(
    providers: Providers, cookie: RefreshCookie, base_url: str
) -> dict[str, object]:
    """Return the resources, by URI template; *base_url* is PUBLIC_URL."""
    login, identities = providers.login, providers.identities
    attempts = AttemptCookies(base_url)
    return {
        PROVIDERS: ProviderList(login),
        f"{PROVIDERS}/{{name}}/login": ProviderStart(login, attempts),
        f"{PROVIDERS}/{{name}}/callback": ProviderCallback(login, attempts, base_url),
        f"{PROVIDERS}/exchange": ProviderExchange(login, cookie),
        "/api/v1/auth/identities": IdentityList(identities),
        "/api/v1/auth/identities/{identity}": IdentityItem(identities),
    }


@public
class ProviderList:
    """The providers that people can log in by."""

    def __init__(self, login: ProviderLogin) -> None:
        self._login = login

    def on_get(self, _req: Request, resp: Response) -> None:
        """Answer 200 with names and titles, in the order in which they are offered."""
        offered = self._login.providers()
        resp.media = {"providers": [{"name": each.name, "title": each.title} for each in offered]}


@public
class ProviderStart:
    """The way to a provider."""

    def __init__(self, login: ProviderLogin, attempts: AttemptCookies) -> None:
        self._login = login
        self._attempts = attempts

    def on_get(self, req: Request, resp: Response, name: str) -> None:
        """Answer 303 to the provider, with a cookie for this attempt."""
        begun = self._login.begin(
            name, return_to=req.get_param("return_to"), link=req.get_param("link")
        )
        self._attempts.add(req, resp, name, begun.state, begun.cookie)
        _see_other(resp, begun.url)


@public
class ProviderCallback:
    """The way back from a provider."""

    def __init__(self, login: ProviderLogin, attempts: AttemptCookies, base_url: str) -> None:
        self._login = login
        self._attempts = attempts
        self._base_url = base_url
        self._form = FormReader("provider_answer")

    def on_get(self, req: Request, resp: Response, name: str) -> None:
        """Answer 303 to the front end, with the outcome in the fragment."""
        answer = _read_answer(req.query_string)
        attempt = self._attempts.take(req, resp, name, answer.get("state", ""))
        url = self._login.finish(name, answer, cookie=attempt, client=req.context.client)
        _see_other(resp, url)

    def on_post(self, req: Request, resp: Response, name: str) -> None:
        """Answer 303 to the same by GET: no cookie comes with a form of another site."""
        answer = self._form.read_form(req)
        url = f"{self._base_url}{PROVIDERS}/{name}/callback?{urlencode(answer)}"
        _see_other(resp, url)


@public
class ProviderExchange:
    """A one-time code of a callback."""

    def __init__(self, login: ProviderLogin, cookie: RefreshCookie) -> None:
        self._login = login
        self._cookie = cookie
        self._body = BodyReader("provider_exchange")

    def on_post(self, req: Request, resp: Response) -> None:
        """Answer 200 with tokens."""
        body = self._body.read(req)
        pair = self._login.exchange(body["code"], req.context.client)
        resp.media = self._cookie.hand_out(resp, pair, in_cookie=wants_cookie(body))


class IdentityList:
    """The caller's identities."""

    def __init__(self, identities: Identities) -> None:
        self._identities = identities
        self._body = BodyReader("identity_link")

    def on_get(self, req: Request, resp: Response) -> None:
        """List them, oldest first."""
        owned = self._identities.list_of(req.context.caller.user_id)
        resp.media = {"identities": [show_identity(each) for each in owned]}

    def on_post(self, req: Request, resp: Response) -> None:
        """Link the identity of a callback; answer 201."""
        body = self._body.read(req)
        linked = self._identities.link(req.context.caller, body["link"])
        resp.status = falcon.HTTP_201
        resp.media = show_identity(linked)


@requires(recent=True)
class IdentityItem:
    """By POST to a provider's name, the way to a further identity; by DELETE, one of them."""

    def __init__(self, identities: Identities) -> None:
        self._identities = identities
        self._body = BodyReader("identity_start")

    def on_post(self, req: Request, resp: Response, identity: str) -> None:
        """Answer 200 with the URL for the browser to open."""
        body = self._body.read(req)
        url = self._identities.start(req.context.caller, identity, body.get("return_to"))
        resp.media = {"url": url}

    def on_delete(self, req: Request, resp: Response, identity: str) -> None:
        """Unlink it."""
        self._identities.unlink(req.context.caller, identity)
        resp.status = falcon.HTTP_204


def _read_answer(text: str) -> dict[str, str]:
    """Return the parameters that matter. Raises `ProviderRefusedError` for one that is twice."""
    try:
        parameters = parse_qsl(text, errors="strict", max_num_fields=MAX_PARAMETERS)
    except ValueError:
        raise ProviderRefusedError("parameters") from None
    answer: dict[str, str] = {}
    for name, value in parameters:
        if name in answer:
            raise ProviderRefusedError("parameters")
        if name in ANSWER:
            answer[name] = value
    return answer


def _see_other(resp: Response, url: str) -> None:
    resp.status = falcon.HTTP_303
    resp.set_header("Location", url)  # As it is: `location` would encode it once more.
    resp.content_type = falcon.MEDIA_TEXT
    resp.text = "See Location.\n"
