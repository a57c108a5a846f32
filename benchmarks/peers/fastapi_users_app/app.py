"""The full example of fastapi-users' documentation: SQLAlchemy on SQLite (aiosqlite), JWT.

Two things differ from it: passwords are hashed with bcrypt at the benchmark's cost, not with
Argon2, and the file of the database is named by the environment.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI
from fastapi_users import BaseUserManager, FastAPIUsers, UUIDIDMixin, schemas
from fastapi_users.authentication import AuthenticationBackend, BearerTransport, JWTStrategy
from fastapi_users.db import SQLAlchemyBaseUserTableUUID, SQLAlchemyUserDatabase
from fastapi_users.password import PasswordHelper
from pwdlib import PasswordHash
from pwdlib.hashers.bcrypt import BcryptHasher
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase

ROUNDS = int(os.environ.get("BCRYPT_ROUNDS", "12"))
SECRET = os.environ["JWT_SECRET_KEY"]
ACCESS_SECONDS = 15 * 60


class Base(DeclarativeBase):
    """The tables."""


class User(SQLAlchemyBaseUserTableUUID, Base):
    """A user."""


engine = create_async_engine(f"sqlite+aiosqlite:///{os.environ['DATABASE_FILE']}")
make_session = async_sessionmaker(engine, expire_on_commit=False)
passwords = PasswordHelper(PasswordHash((BcryptHasher(rounds=ROUNDS),)))


async def get_session() -> AsyncGenerator[AsyncSession]:
    """Open a session of the database."""
    async with make_session() as session:
        yield session


async def get_database(
    session: AsyncSession = Depends(get_session),
) -> AsyncGenerator[SQLAlchemyUserDatabase]:
    """Wrap it for fastapi-users."""
    yield SQLAlchemyUserDatabase(session, User)


class UserManager(UUIDIDMixin, BaseUserManager[User, uuid.UUID]):
    """The use cases."""


async def get_manager(
    database: SQLAlchemyUserDatabase = Depends(get_database),
) -> AsyncGenerator[UserManager]:
    """Build them for one request."""
    yield UserManager(database, passwords)


def get_strategy() -> JWTStrategy:
    """Sign JWTs."""
    return JWTStrategy(secret=SECRET, lifetime_seconds=ACCESS_SECONDS)


backend = AuthenticationBackend(
    name="jwt",
    transport=BearerTransport(tokenUrl="auth/jwt/login"),
    get_strategy=get_strategy,
)
fastapi_users = FastAPIUsers[User, uuid.UUID](get_manager, [backend])


class UserRead(schemas.BaseUser[uuid.UUID]):
    """A user as it is shown."""


class UserCreate(schemas.BaseUserCreate):
    """A registration."""


class UserUpdate(schemas.BaseUserUpdate):
    """A change."""


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """Make the tables."""
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield


app = FastAPI(lifespan=lifespan)
app.include_router(fastapi_users.get_auth_router(backend), prefix="/auth/jwt")
app.include_router(fastapi_users.get_register_router(UserRead, UserCreate), prefix="/auth")
app.include_router(fastapi_users.get_users_router(UserRead, UserUpdate), prefix="/users")


@app.get("/health")
async def health() -> dict[str, str]:
    """Answer."""
    return {"status": "ok"}
