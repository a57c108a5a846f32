"""What a reader would otherwise build: FastAPI, uvicorn, bcrypt and PyJWT, users in a dict.

Idiomatic: models in and out, a dependency for the caller, and the two endpoints that hash are
plain functions, which FastAPI runs in its thread pool. The others only compute for
microseconds and are coroutines, which spares them the way through that pool.
"""

from __future__ import annotations

import os
import time
import uuid
from datetime import UTC, datetime
from typing import Annotated, Any

import bcrypt
import jwt
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, EmailStr, Field

ROUNDS = int(os.environ.get("BCRYPT_ROUNDS", "12"))
SECRET = os.environ["JWT_SECRET_KEY"]
ACCESS_SECONDS = 15 * 60
REFRESH_SECONDS = 7 * 24 * 3600

app = FastAPI()
bearer = HTTPBearer()
users: dict[str, dict[str, Any]] = {}


class Credentials(BaseModel):
    """The body of a registration and of a log-in."""

    email: EmailStr
    password: str = Field(min_length=8, max_length=72)


class RefreshRequest(BaseModel):
    """The body of a refresh."""

    refresh_token: str


class User(BaseModel):
    """A user, without the hash."""

    id: str
    email: EmailStr
    is_active: bool
    created_at: datetime


class Tokens(BaseModel):
    """What a log-in hands out."""

    access_token: str
    refresh_token: str
    token_type: str = "bearer"
    expires_in: int = ACCESS_SECONDS


def make_token(email: str, kind: str, seconds: int) -> str:
    """Sign a token."""
    now = int(time.time())
    claims = {"sub": email, "type": kind, "iat": now, "exp": now + seconds, "jti": uuid.uuid4().hex}
    return jwt.encode(claims, SECRET, algorithm="HS256")


def make_tokens(email: str) -> Tokens:
    """Sign a pair of tokens."""
    return Tokens(
        access_token=make_token(email, "access", ACCESS_SECONDS),
        refresh_token=make_token(email, "refresh", REFRESH_SECONDS),
    )


def user_of(token: str, kind: str) -> dict[str, Any]:
    """Return whom a token speaks for."""
    try:
        claims = jwt.decode(token, SECRET, algorithms=["HS256"])
    except jwt.PyJWTError:
        raise HTTPException(401, "Invalid token") from None
    user = users.get(claims["sub"])
    if claims.get("type") != kind or user is None or not user["is_active"]:
        raise HTTPException(401, "Invalid token")
    return user


async def current_user(
    credentials: Annotated[HTTPAuthorizationCredentials, Depends(bearer)],
) -> dict[str, Any]:
    """Depend on a bearer token."""
    return user_of(credentials.credentials, "access")


@app.get("/health")
async def health() -> dict[str, str]:
    """Answer."""
    return {"status": "ok"}


@app.post("/register", status_code=201)
def register(body: Credentials) -> Tokens:
    """Make a user."""
    if body.email in users:
        raise HTTPException(409, "Email already registered")
    password_hash = bcrypt.hashpw(body.password.encode(), bcrypt.gensalt(ROUNDS))
    user = {
        "id": str(uuid.uuid4()),
        "email": body.email,
        "is_active": True,
        "created_at": datetime.now(UTC),
        "password_hash": password_hash,
    }
    if users.setdefault(body.email, user) is not user:
        raise HTTPException(409, "Email already registered")
    return make_tokens(body.email)


@app.post("/login")
def login(body: Credentials) -> Tokens:
    """Check a password."""
    user = users.get(body.email)
    if user is None or not bcrypt.checkpw(body.password.encode(), user["password_hash"]):
        raise HTTPException(401, "Incorrect email or password")
    return make_tokens(body.email)


@app.post("/refresh")
async def refresh(body: RefreshRequest) -> Tokens:
    """Exchange a refresh token."""
    return make_tokens(user_of(body.refresh_token, "refresh")["email"])


@app.get("/api/user/profile")
async def profile(user: Annotated[dict[str, Any], Depends(current_user)]) -> User:
    """Show the caller."""
    return User(**user)
