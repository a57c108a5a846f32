"""The response to a request that is processed after the response has been sent."""

from __future__ import annotations

import falcon
from falcon import Response


def accept(resp: Response) -> None:
    """Answer 202 with the same text in every case, so that it does not disclose an account."""
    resp.status = falcon.HTTP_202
    resp.media = {"message": "A mail is on its way to this address, if one is due"}
