"""For other Falcon services: the same deny-by-default guard, with the keys of Falcon Auth.

    app = GuardedApp(Verifier.from_jwks("https://auth.example.com/.well-known/jwks.json",
                                        issuer="https://auth.example.com", audience="orders"))
    app.add_route("/orders", Orders())

It verifies a token by its signature and claims only, so it accepts tokens of ended sessions until
they expire; where that matters, call `/api/v1/auth/introspect`. No database, password hashing or
settings are imported here.
"""

from falcon_auth.api.guard import public, requires
from falcon_auth.sessions.tokens import Claims
from falcon_auth.verifier.app import GuardedApp
from falcon_auth.verifier.tokens import Verifier

__all__ = ["Claims", "GuardedApp", "Verifier", "public", "requires"]
