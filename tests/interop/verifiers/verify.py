"""Verifies tokens with Python libraries, by a clock that standard input tells.

Arguments: the library, the service's address, issuer, audience. Each line of input is
`{"now": seconds, "token": text}`; each line of output says `accepted`, or what was raised.
"""

import json
import sys
import time

library, address, issuer, audience = sys.argv[1:]
clock = {"now": 0.0}
time.monotonic = lambda: clock["now"]  # Before the libraries take it: their caches go by it.

import jwt  # noqa: E402

URL = f"{address}/.well-known/jwks.json"
CLAIMS = ["sub", "uid", "exp", "iat", "type"]


def with_pyjwt():
    client = jwt.PyJWKClient(URL)

    def verify(token):
        key = client.get_signing_key_from_jwt(token)
        return jwt.decode(
            token, key, ["ES256"], audience=audience, issuer=issuer, options={"require": CLAIMS}
        )

    return verify


def with_fastapi_jwks():
    from fastapi_jwks.models.types import JWKSConfig, JWTDecodeConfig
    from fastapi_jwks.validators import JWKSValidator
    from pydantic import BaseModel, ConfigDict

    class Payload(BaseModel):
        model_config = ConfigDict(extra="allow")

        type: str

    validator = JWKSValidator[Payload](
        decode_config=JWTDecodeConfig(audience=[audience], issuer=issuer),
        jwks_config=JWKSConfig(url=URL),
    )
    return lambda token: validator.validate_token(token).model_dump()


verify = {"PyJWKClient": with_pyjwt, "fastapi-jwks": with_fastapi_jwks}[library]()
for line in sys.stdin:
    asked = json.loads(line)
    clock["now"] = asked["now"]
    try:
        said = "accepted" if verify(asked["token"])["type"] == "access" else "type"
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
    print(json.dumps(said), flush=True)
