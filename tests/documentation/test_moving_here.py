"""docs/moving-here.md: its programs run on an export of each form, and the users log in."""

import csv
import io
import json
import re
import subprocess
import sys
import uuid
from dataclasses import dataclass, field

import bcrypt
import pytest
from argon2 import PasswordHasher
from commanding import run_command
from processes import PASSWORD, ROOT, SECRET_KEY

PAGE = (ROOT / "docs" / "moving-here.md").read_text(encoding="utf-8")
ID = "6f1c3c7e-2f0e-4b52-9d55-0d2a6f1a9a41"
OTHER_ID = "0b0e5d3e-5d0a-4a43-8f4c-6a6c1d9a7a10"
FIRST, SECOND = "60425dc4" * 3, "60425dc5" * 3  # As Auth0 names users.
# What `make_password` of Django writes for PASSWORD, at few iterations.
DJANGO = "pbkdf2_sha256$1000$seasalt$DrdiWD40lyBuydnjvZiDrdQMx1S1mOA9O0QYex0R6ww="


def bcrypt_hash(prefix=b"2b"):
    return bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4, prefix)).decode()


@dataclass
class Export:
    """An export, and what is to become of it."""

    text: str
    log_in: set[str]
    ids: dict[str, str] = field(default_factory=dict)
    disabled: set[str] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)


def table(rows):
    out = io.StringIO()
    writer = csv.DictWriter(out, rows[0].keys())
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def fastapi_users():
    """By pwdlib, at its own settings; an older row has bcrypt."""
    argon2 = PasswordHasher(time_cost=3, memory_cost=65536, parallelism=4).hash(PASSWORD)
    names = ("id", "email", "hashed_password", "is_active", "is_superuser", "is_verified")
    rows = [
        (ID, "ada@example.com", argon2, "t", "f", "t"),
        (OTHER_ID, "bob@example.com", bcrypt_hash(), "f", "f", "f"),
    ]
    return Export(
        table([dict(zip(names, row, strict=True)) for row in rows]),
        log_in={"ada@example.com"},
        ids={"ada@example.com": ID},
        disabled={"bob@example.com"},
    )


def django():
    def user(key, name, password, **more):
        fields = {
            "password": password,
            "last_login": None,
            "is_superuser": False,
            "username": name,
            "first_name": "",
            "last_name": "",
            "email": f"{name}@example.com",
            "is_staff": False,
            "is_active": True,
            "date_joined": "2024-05-01T10:00:00.123Z",
            "groups": [],
            "user_permissions": [],
        }
        return {"model": "auth.user", "pk": key, "fields": fields | more}

    argon2 = PasswordHasher(time_cost=2, memory_cost=65536, parallelism=4).hash(PASSWORD)
    too_dear = "argon2$argon2id$v=19$m=102400,t=2,p=8$c2VhLXNhbHQ$" + "A" * 43
    users = [
        user(1, "ada", DJANGO, last_login="2024-06-01T10:00:00Z"),
        user(2, "bob", f"bcrypt${bcrypt_hash()}"),
        user(3, "eve.b+c", f"argon2{argon2}"),
        user(4, "dan", too_dear),
        user(5, "nobody", "!unusable"),
        user(6, "nameless", DJANGO, email=""),
    ]
    url = "https://shop.example.com/users/1"
    return Export(
        json.dumps(users),
        log_in={"ada@example.com", "bob@example.com", "eve.b+c@example.com"},
        ids={"ada@example.com": str(uuid.uuid5(uuid.NAMESPACE_URL, url))},
        refused=["HASH_NOT_ACCEPTED"],
    )


def supabase():
    names = (
        *("instance_id", "id", "aud", "role", "email", "encrypted_password"),
        *("email_confirmed_at", "last_sign_in_at", "created_at", "banned_until", "deleted_at"),
    )
    nil, when = "00000000-0000-0000-0000-000000000000", "2024-05-01 10:00:00.123456+00"
    all_of = (nil, "authenticated", "authenticated")

    def row(user_id, email, password, *, confirmed=when, banned="", deleted=""):
        values = (all_of[0], user_id, *all_of[1:], email, password)
        return dict(zip(names, (*values, confirmed, when, when, banned, deleted), strict=True))

    rows = [
        row(ID, "ada@example.com", bcrypt_hash(b"2a")),
        row(OTHER_ID, "bob@example.com", bcrypt_hash(b"2a"), confirmed="", banned=when),
        row(str(uuid.uuid4()), "by-google@example.com", ""),
        row(str(uuid.uuid4()), "gone@example.com", bcrypt_hash(b"2a"), deleted=when),
    ]
    return Export(
        table(rows),
        log_in={"ada@example.com"},
        ids={"ada@example.com": ID},
        disabled={"bob@example.com"},
    )


def auth0():
    def line(name, email, **more):
        return {
            "_id": {"$oid": name},
            "email": email,
            "email_verified": True,
            "tenant": "shop",
            "connection": "Username-Password-Authentication",
            "_tmp_is_unique": True,
            **more,
        }

    users = [
        line(FIRST, "ada@example.com", passwordHash=bcrypt_hash()),
        line(SECOND, "by-google@example.com"),
    ]
    expected = uuid.uuid5(uuid.NAMESPACE_URL, f"auth0|{FIRST}")
    return Export(
        "".join(json.dumps(user) + "\n" for user in users),
        log_in={"ada@example.com"},
        ids={"ada@example.com": str(expected)},
    )


EXPORTS = {
    "fastapi-users": fastapi_users,
    "Django, with dj-rest-auth or simplejwt": django,
    "Supabase Auth": supabase,
    "Auth0": auth0,
}


def program_of(heading):
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    (program,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    return program


@pytest.mark.parametrize("heading", EXPORTS)
def test_users_of_an_export_log_in_with_the_passwords_that_they_have(
    heading, tmp_path, sqlite_url, make_client
):
    export = EXPORTS[heading]()
    lines = subprocess.run(
        [sys.executable, "-c", program_of(heading)],
        input=export.text,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
    (tmp_path / "users.jsonl").write_text(lines)

    imported = run_command(
        *("users", "import", "users.jsonl"),
        cwd=tmp_path,
        DATABASE_URL=sqlite_url,
        JWT_SECRET_KEY=SECRET_KEY,
    )

    report = (tmp_path / "users-refused.jsonl").read_text().splitlines()
    assert [json.loads(each)["code"] for each in report] == export.refused, imported.stderr
    assert imported.returncode == (1 if export.refused else 0)
    service = make_client(database_url=sqlite_url)
    for email in export.log_in:
        user = service.login(email).json["user"]
        assert user["id"] == export.ids.get(email, user["id"])
        if "email_verified" in lines:
            assert user["email_verified"]
    for email in export.disabled:
        assert service.login(email).json["code"] == "ACCOUNT_DISABLED"
    listed = len(export.log_in) + len(export.disabled)
    assert len(lines.splitlines()) == listed + len(export.refused)


def test_the_page_has_a_section_for_each_export():
    assert re.findall(r"^## (.*)$", PAGE, re.MULTILINE) == list(EXPORTS)
