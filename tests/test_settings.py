"""What the environment may say, and what is refused before anything starts."""

from __future__ import annotations

import ipaddress
import re
import sys

import pytest
from commanding import run_here
from conftest import SECRET_KEY
from hypothesis import given
from hypothesis import strategies as st
from key_material import private_pem
from processes import ROOT
from pydantic import SecretStr, ValidationError

from falcon_auth.errors import ConfigurationError
from falcon_auth.settings import Settings, load_settings
from falcon_auth.settings.checks import EXAMPLE_SECRET
from falcon_auth.settings.lists import split_list

# The design's table, one variable a line. "-" is none.
TABLE = """
ENVIRONMENT                  development
HOST                         127.0.0.1
PORT                         8000
REQUEST_THREADS              160
REQUEST_THREADS_ON_ONE_CORE  true
JWT_SECRET_KEY               -
JWT_PREVIOUS_SECRET_KEYS     -
JWT_ALGORITHM                HS256
JWT_PRIVATE_KEY_FILE         -
JWT_PREVIOUS_KEY_FILES       -
JWT_KEY_DIRECTORY            -
JWT_ISSUER                   -
JWT_AUDIENCE                 -
JWT_LEEWAY_SECONDS           30
JWT_SUBJECT                  email
KEY_CACHE_SECONDS            660
ACCESS_TOKEN_EXPIRE_MINUTES  15
REFRESH_TOKEN_EXPIRE_DAYS    7
SESSIONS_PER_USER            100
SESSION_MAX_DAYS             90
REFRESH_REUSE_GRACE_SECONDS  30
PASSWORD_HASHER              bcrypt
BCRYPT_ROUNDS                12
PASSWORD_MIN_LENGTH          8
PASSWORD_POLICY              basic
HASH_WORKERS                 -
HASH_QUEUE_SIZE              128
DATABASE_URL                 -
DATABASE_MAX_POOL_SIZE       20
SNAPSHOT_FILE                -
REDIS_URL                    -
RATE_LIMIT_ENABLED           true
RATE_LIMIT_REQUESTS          5
RATE_LIMIT_WINDOW            60
RATE_LIMIT_REGISTRATIONS     30
AUDIT_RETENTION_DAYS         365
AUDIT_CHAIN                  false
CIRCUIT_BREAKER_THRESHOLD    5
CIRCUIT_BREAKER_TIMEOUT      30
CORS_ORIGINS                 -
SHUTDOWN_DELAY_SECONDS       0
TRUSTED_PROXIES              -
PUBLIC_URL                   -
ENCRYPTION_KEYS              -
RECENT_LOGIN_MINUTES         10
SCOPES                       -
FACTOR_REQUIRED_ROLES        -
WEBAUTHN_RP_ID               -
WEBAUTHN_ORIGINS             -
WEBAUTHN_RP_NAME             -
MAIL_URL                     -
MAIL_FROM                    -
MAIL_TEMPLATES               -
MAIL_CA_FILE                 -
WEBHOOK_URL                  -
WEBHOOK_SECRET               -
PAGES                        -
PAGES_NAME                   -
PAGES_LOGO                   -
PAGES_COLOR                  -
EMAIL_VERIFICATION           off
REGISTRATION                 open
PROVIDERS_FILE               -
RETURN_URLS                  -
METRICS_TOKEN                -
INTROSPECTION_TOKENS         -
VALIDATE_RESPONSES           false
LOG_LEVEL                    INFO
LOG_FORMAT                   -
"""
DEFAULTS = dict(line.split() for line in TABLE.strip().splitlines())

# The least and the greatest that are taken, beside what ROOMY says: 145 threads are one hashing,
# 128 waiting, 16 to spare; 4079 may wait of 4096.
BOUNDS = """
PORT                         0 65535
REQUEST_THREADS              145 4096
JWT_LEEWAY_SECONDS           0 300
KEY_CACHE_SECONDS            360 86400
ACCESS_TOKEN_EXPIRE_MINUTES  1 1440
REFRESH_TOKEN_EXPIRE_DAYS    1 365
SESSIONS_PER_USER            1 10000
SESSION_MAX_DAYS             1 3650
REFRESH_REUSE_GRACE_SECONDS  0 300
BCRYPT_ROUNDS                4 20
PASSWORD_MIN_LENGTH          8 64
HASH_WORKERS                 1 1024
HASH_QUEUE_SIZE              1 4079
DATABASE_MAX_POOL_SIZE       1 1000
RATE_LIMIT_REQUESTS          1 10000
RATE_LIMIT_WINDOW            1 86400
RATE_LIMIT_REGISTRATIONS     1 1000000
AUDIT_RETENTION_DAYS         1 36500
CIRCUIT_BREAKER_THRESHOLD    1 1000
CIRCUIT_BREAKER_TIMEOUT      1 3600
RECENT_LOGIN_MINUTES         1 1440
SHUTDOWN_DELAY_SECONDS       0 600
"""
ROOMY = {"hash_workers": 1, "request_threads": 4096}
PRODUCTION = {
    "environment": "production",
    "jwt_secret_key": SECRET_KEY,
    "database_url": "sqlite:///auth.db",
}
ANOTHER_KEY = "another-key-of-the-tests-of-some-length"


def show_settings():
    """Print all settings, or the faults, as a start would have them."""
    try:
        settings = load_settings()
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)
    shown = [repr(settings), *(f"{name}={value}" for name, value in settings)]
    sys.stdout.writelines(f"{line}\n" for line in shown)


def make(**values):
    return Settings(_env_file=None, **values)


def load(folder, **environment):
    """Read settings as a start does, from nothing but *environment* and the folder's `.env`."""
    return run_here(show_settings, cwd=folder, **environment)


def faults(folder, **environment):
    """The lines of the refusal."""
    result = load(folder, **environment)
    assert result.returncode == 1, result.stdout
    return result.stderr.splitlines()


def shown(value):
    """A default as the table writes it."""
    if value is None or value == ():
        return "-"
    return str(value).lower() if isinstance(value, bool) else str(value)


# --- The table


def test_every_variable_of_the_table_has_the_stated_default_and_there_is_no_other():
    settings = make()

    assert {name.upper(): shown(value) for name, value in settings} == DEFAULTS


def test_the_random_keys_place_is_empty_and_values_that_may_hold_secrets_are_hidden():
    secrets = {
        "jwt_secret_key": SECRET_KEY,
        "jwt_previous_secret_keys": ANOTHER_KEY,
        "database_url": "postgresql+psycopg://auth:hunter2@localhost/auth",
        "redis_url": "redis://:hunter2@localhost",
        "metrics_token": "hunter2-for-metrics",
    }

    settings = make(**secrets)

    for value in (*secrets.values(), "hunter2"):
        assert value not in repr(settings)
        assert value not in str(settings)
        assert value not in settings.model_dump_json()


def test_the_public_url_is_a_base_url_and_has_no_slash_at_its_end():
    assert make(port=8123).public_base == "http://localhost:8123"
    assert make(public_url="https://auth.example/a/").public_base == "https://auth.example/a"
    for wrong in (
        "auth.example",
        "ftp://a",
        "https://",
        "https://u@a",
        "https://a?b",
        "https://a:x",
    ):
        with pytest.raises(ValidationError, match="public_url"):
            make(public_url=wrong)
    for wrong in ("https://a/{b}", "https://a/#b", "https://ä.example", "https://a//b"):
        with pytest.raises(ValidationError, match="public_url"):
            make(public_url=wrong)


def test_audiences_are_a_list():
    assert make(jwt_audience="orders, billing").jwt_audience == ("orders", "billing")
    assert make(jwt_audience="orders").jwt_audience == ("orders",)


def test_settings_cannot_be_changed():
    with pytest.raises(ValidationError):
        make().port = 9


@pytest.mark.parametrize("line", BOUNDS.strip().splitlines())
def test_numbers_have_bounds(line):
    name, least, greatest = line.lower().split()

    for taken in (int(least), int(greatest)):
        assert getattr(make(**ROOMY | {name: taken}), name) == taken
    for refused in (int(least) - 1, int(greatest) + 1, "many", "", 1.5):
        with pytest.raises(ValidationError):
            make(**ROOMY | {name: refused})


def test_the_test_of_bounds_knows_every_number():
    numbers = {name.upper() for name, value in make() if type(value) is int} | {"HASH_WORKERS"}

    assert {line.split()[0] for line in BOUNDS.strip().splitlines()} == numbers


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("environment", ["development", "testing"]),
        ("jwt_algorithm", ["HS256", "HS384", "HS512"]),
        ("jwt_subject", ["email", "id"]),
        ("password_hasher", ["bcrypt", "argon2"]),
        ("password_policy", ["basic", "complex"]),
        ("log_level", ["DEBUG", "INFO", "WARNING", "ERROR"]),
        ("log_format", ["json", "console"]),
    ],
)
def test_choices_are_taken_as_written_and_nothing_else_is(name, values):
    for value in values:
        assert getattr(make(**{name: value}), name) == value
    for value in ("other", values[0].swapcase(), values[0] + " "):
        with pytest.raises(ValidationError):
            make(**{name: value})


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "EdDSA"])
def test_an_asymmetric_algorithm_needs_its_key_file(algorithm, tmp_path):
    path = tmp_path / "key.pem"
    path.write_bytes(private_pem(algorithm))

    with pytest.raises(ValidationError, match="JWT_PRIVATE_KEY_FILE: is needed for"):
        make(jwt_algorithm=algorithm)

    settings = make(jwt_algorithm=algorithm, jwt_private_key_file=str(path))

    assert settings.jwt_private_key_file == path
    assert make(jwt_algorithm=algorithm, jwt_key_directory="keys").jwt_private_key_file is None


# --- Lists


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("", []),
        (" , ,", []),
        ("[]", []),
        ("one", ["one"]),
        ("one,two", ["one", "two"]),
        (" one , two, ", ["one", "two"]),
        ('["one", "two"]', ["one", "two"]),
        (' ["one, or two"] ', ["one, or two"]),
    ],
)
def test_a_list_is_written_with_commas_or_as_json(text, items):
    assert split_list(text) == items


@pytest.mark.parametrize("text", ["[one]", '["one"', '["one", 2]', '["one"], two', "[["])
def test_a_list_that_begins_as_json_has_to_be_one_of_strings(text):
    with pytest.raises(ValueError, match="separate the items with commas"):
        split_list(text)


@given(st.lists(st.text("abc/:.-_0123", min_size=1)))
def test_both_ways_of_writing_a_list_are_the_same(items):
    as_json = "[" + ",".join(f'"{item}"' for item in items) + "]"

    assert split_list(",".join(items)) == split_list(as_json) == items


def test_every_list_is_read_both_ways(tmp_path):
    path = tmp_path / "old.pem"
    path.write_bytes(private_pem("ES256"))
    credential = "orders:" + "0" * 64

    settings = make(
        jwt_previous_secret_keys=f"{SECRET_KEY},{ANOTHER_KEY}",
        jwt_previous_key_files=f'["{path}"]',
        introspection_tokens=f"{credential}, {credential}",
        cors_origins="https://a.example, http://b.example:8080",
        trusted_proxies="10.0.0.0/8, 2001:db8::1",
    )

    assert settings.jwt_previous_secret_keys == (SecretStr(SECRET_KEY), SecretStr(ANOTHER_KEY))
    assert settings.jwt_previous_key_files == (path,)
    assert settings.introspection_tokens == (credential, credential)
    assert settings.allowed_origins == ("https://a.example", "http://b.example:8080")
    assert settings.trusted_proxies == (
        ipaddress.ip_network("10.0.0.0/8"),
        ipaddress.ip_network("2001:db8::1/128"),
    )
    assert make(cors_origins=("https://a.example",)).allowed_origins == ("https://a.example",)


# --- Origins


def test_origins_have_presets_in_development_alone():
    local = ("http://localhost:3000", "http://localhost:8000")

    assert make().allowed_origins == local
    assert make(environment="testing").allowed_origins == ()
    assert make(**PRODUCTION).allowed_origins == ()
    assert make(cors_origins="[]").allowed_origins == ()


@pytest.mark.parametrize(
    "origin",
    [
        "a.example",
        "https://",
        "https://a.example/",
        "https://a.example/path",
        "ftp://a.example",
        "null",
        "//a.example",
    ],
)
def test_an_origin_that_no_browser_would_send_is_refused(origin):
    with pytest.raises(ValidationError, match="each origin is written scheme://host"):
        make(cors_origins=origin)


def test_the_star_stands_alone_and_not_in_production():
    assert make(cors_origins="*").allowed_origins == ("*",)
    with pytest.raises(ValidationError, match=r"CORS_ORIGINS: \* must be the only"):
        make(cors_origins="*,https://a.example")
    with pytest.raises(ValidationError, match=r"CORS_ORIGINS: \* is refused in production"):
        make(**PRODUCTION, cors_origins="*")


@pytest.mark.parametrize(
    "everyone",
    [
        "0.0.0.0/0",
        "10.0.0.0/8,::/0",
        "::ffff:0:0/96",  # All of IPv4, written as IPv6.
        "::/64",  # Holds the network above.
        "0.0.0.0/1,128.0.0.0/1",
        "0.0.0.0/1,::ffff:128.0.0.0/97",
        "2000::/3",  # All of IPv6 that is routed in public.
        "2000::/4,3000::/4",
        "64:ff9b::/96",  # All of IPv4 behind NAT64.
    ],
)
def test_trusted_proxies_that_hold_every_client_are_refused(everyone):
    with pytest.raises(ValidationError, match="would let every client choose its address"):
        make(trusted_proxies=everyone)


# --- What goes together


def test_production_asks_for_a_key_and_dear_hashes():
    with pytest.raises(ValidationError, match="JWT_SECRET_KEY: is needed in production"):
        make(environment="production")
    with pytest.raises(ValidationError, match="BCRYPT_ROUNDS: at least 12 in production"):
        make(**PRODUCTION, bcrypt_rounds=11)

    settings = make(**PRODUCTION, bcrypt_rounds=12)

    assert settings.bcrypt_rounds == 12


def test_production_keeps_users_in_memory_only_where_that_is_asked_for_by_name():
    forgotten = {name: value for name, value in PRODUCTION.items() if name != "database_url"}
    with pytest.raises(ValidationError, match="DATABASE_URL: is needed in production; memory:"):
        make(**forgotten)
    with pytest.raises(ValidationError, match="DATABASE_URL: is needed in production"):
        make(**forgotten, snapshot_file="users.json")

    assert make(**forgotten, database_url="memory:").database is None


@pytest.mark.parametrize("environment", ["development", "testing", "production"])
def test_the_memory_store_has_a_name_everywhere_and_takes_a_snapshot_file(environment):
    values = PRODUCTION | {"environment": environment, "database_url": "memory:"}

    assert make(**values, snapshot_file="users.json").database is None
    with pytest.raises(
        ValidationError, match=r"DATABASE_URL: begins with sqlite:/// or .*, or is memory:"
    ):
        make(**values | {"database_url": "memory"})


def test_a_short_metrics_token_is_refused_in_production():
    with pytest.raises(ValidationError, match="METRICS_TOKEN: needs 16 bytes or more"):
        make(**PRODUCTION, metrics_token="a-short-word")

    assert make(**PRODUCTION, metrics_token="x" * 16)


@pytest.mark.parametrize(("algorithm", "least"), [("HS256", 32), ("HS384", 48), ("HS512", 64)])
def test_a_key_is_as_long_as_its_digest(algorithm, least):
    with pytest.raises(ValidationError, match=f"JWT_SECRET_KEY: needs {least} bytes or more"):
        make(jwt_algorithm=algorithm, jwt_secret_key="x" * (least - 1))

    assert make(jwt_algorithm=algorithm, jwt_secret_key="x" * least)


def test_production_with_a_key_file_needs_no_secret(tmp_path):
    path = tmp_path / "key.pem"
    path.write_bytes(private_pem("ES256"))

    without_secret = PRODUCTION | {"jwt_secret_key": None}
    settings = make(**without_secret, jwt_algorithm="ES256", jwt_private_key_file=path)

    assert settings.jwt_secret_key is None


@pytest.mark.parametrize("name", ["jwt_secret_key", "jwt_previous_secret_keys"])
def test_a_key_has_32_bytes_or_more(name):
    """Bytes, not characters: 16 times two of them are enough."""
    for taken in ("k" * 32, "é" * 16):
        make(**{name: taken})
    for refused in ("k" * 31, "é" * 15):
        with pytest.raises(ValidationError, match=f"{name.upper()}: needs 32 bytes or more"):
            make(**{name: refused})


def test_workers_are_as_many_as_cores_where_the_threads_allow():
    assert make().workers_for(2) == 2
    assert make().workers_for(64) == 16  # 160 threads, less 128 that queue and 16 to spare.
    assert make(request_threads=208).workers_for(64) == 64
    assert make(hash_workers=3).workers_for(64) == 3
    assert make().workers == make().workers  # On this machine, whichever it is,
    assert 1 <= make().workers <= 16  # without a fault.


@given(cores=st.integers(1, 4096), queue=st.integers(1, 4096), threads=st.integers(1, 4096))
def test_workers_of_our_own_choice_never_make_the_start_fail(cores, queue, threads):
    """Only where not even one worker fits are there too few threads."""
    try:
        settings = make(request_threads=threads, hash_queue_size=queue)
    except ValidationError:
        assert threads < queue + 1 + 16
    else:
        assert 1 <= settings.workers_for(cores) <= cores
        assert settings.workers_for(cores) + queue + 16 <= threads


def test_threads_exceed_workers_and_queue_by_16():
    make(hash_workers=4, hash_queue_size=100, request_threads=120)
    with pytest.raises(ValidationError, match="REQUEST_THREADS: 120 or more"):
        make(hash_workers=4, hash_queue_size=100, request_threads=119)


def test_a_snapshot_and_a_database_exclude_each_other():
    with pytest.raises(ValidationError, match="SNAPSHOT_FILE: is for the in-memory store"):
        make(snapshot_file="users.json", database_url="sqlite:///auth.db")


def test_a_chain_needs_a_database():
    assert make(audit_chain=True, database_url="sqlite:///auth.db").audit_chain
    with pytest.raises(ValidationError, match="AUDIT_CHAIN: needs a database"):
        make(audit_chain=True)


# --- The environment and `.env`


def test_variables_are_read_from_the_environment(tmp_path):
    said = load(tmp_path, PORT="81", RATE_LIMIT_ENABLED="false", JWT_SECRET_KEY=SECRET_KEY).stdout

    assert "port=81\n" in said
    assert "rate_limit_enabled=False\n" in said
    assert "jwt_secret_key=**********\n" in said


def test_the_env_file_is_read_and_the_environment_goes_before_it(tmp_path):
    text = "# a comment\nPORT=81\n\nexport HOST='::1'  # another\nUNKNOWN=1\nLOG_LEVEL=ERROR\n"
    (tmp_path / ".env").write_text(text)

    said = load(tmp_path, LOG_LEVEL="DEBUG").stdout

    assert "port=81\n" in said
    assert "host=::1\n" in said
    assert "log_level=DEBUG\n" in said


def test_an_env_file_may_begin_with_a_byte_order_mark(tmp_path):
    (tmp_path / ".env").write_bytes(b"\xef\xbb\xbfPORT=81\n")

    assert "port=81\n" in load(tmp_path).stdout


@pytest.mark.parametrize("content", [b"\xff\xfe\x00PORT=81", "PORT=81".encode("utf-16")])
def test_an_env_file_that_is_not_text_is_refused(tmp_path, content):
    (tmp_path / ".env").write_bytes(content)

    assert faults(tmp_path) == [".env: cannot be read as UTF-8 text"]


def test_an_env_file_that_cannot_be_read_is_refused(tmp_path):
    """Passing over it would start a service with other settings than were written."""
    (tmp_path / ".env").mkdir()

    assert faults(tmp_path) == [".env: cannot be read as UTF-8 text"]


def test_a_line_of_the_env_file_that_would_be_passed_over_is_a_fault(tmp_path):
    """Such as an open quote, which swallows what follows."""
    (tmp_path / ".env").write_text(f'PORT=0x\nJWT_SECRET_KEY="{SECRET_KEY}\n')

    said = faults(tmp_path)

    assert ".env: line 2 is not written NAME=value" in said
    assert any(line.startswith("PORT: ") for line in said)
    assert SECRET_KEY not in "".join(said)


def test_empty_variables_are_the_same_as_none(tmp_path):
    (tmp_path / ".env").write_text("".join(f"{name}=\n" for name in DEFAULTS))

    said = load(tmp_path, **dict.fromkeys(DEFAULTS, "")).stdout

    assert said == load(ROOT / "tests").stdout


def test_all_faults_are_reported_in_one_message_including_those_between_variables(tmp_path):
    said = faults(
        tmp_path,
        ENVIRONMENT="production",
        PORT="http",
        BCRYPT_ROUNDS="4",
        REQUEST_THREADS="20",
        HASH_WORKERS="8",
        CORS_ORIGINS="*,https://a.example/path",
        TRUSTED_PROXIES="everyone",
        JWT_PREVIOUS_SECRET_KEYS="short,shorter",
        SNAPSHOT_FILE="users.json",
        DATABASE_URL="sqlite:///auth.db",
        LOG_LEVEL="info",
    )

    assert [line.split(":")[0] for line in said] == [
        "BCRYPT_ROUNDS",
        "CORS_ORIGINS",
        "JWT_PREVIOUS_SECRET_KEYS",
        "JWT_PREVIOUS_SECRET_KEYS",
        "JWT_SECRET_KEY",
        "LOG_LEVEL",
        "PORT",
        "REQUEST_THREADS",
        "SNAPSHOT_FILE",
        "TRUSTED_PROXIES",
        "TRUSTED_PROXIES",
    ]


@pytest.mark.parametrize(
    "secret",
    [
        "hunter2",
        "[hunter2",
        '["hunter2", 3]',
        "http://hunter2:hunter2@host",
        "hunter2\nPORT: forged",
        "hunter2\udcff",  # A byte that is not UTF-8.
        "hunter2" * 1000,
    ],
)
def test_no_fault_tells_a_value(tmp_path, secret):
    said = "\n".join(faults(tmp_path, **dict.fromkeys(DEFAULTS, secret)))

    assert "PORT: input should be a valid integer" in said or "PORT: is not text" in said
    assert "hunter2" not in said
    assert "forged" not in said
    assert "udcff" not in said
    assert all(re.match(r"[A-Z_]+: ", line) for line in said.splitlines())


@pytest.mark.parametrize("name", DEFAULTS)
@pytest.mark.parametrize("value", ["a\0b", "a\udcffb"])
def test_what_is_not_text_is_refused_in_every_variable(name, value):
    with pytest.raises(ValidationError) as refusal:
        make(**{name.lower(): value})

    assert [fault["loc"][0] for fault in refusal.value.errors()] == [name.lower()]


# --- .env.example


def test_the_example_names_every_variable_with_its_default():
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    matches = [re.fullmatch(r"#?([A-Z_]+)=(\S*)(\s+#.*)?", line) for line in lines]
    named = {match[1]: match[2] or "-" for match in matches if match}

    assert named == DEFAULTS | {"JWT_SECRET_KEY": EXAMPLE_SECRET}
    assert [line for line in lines if line and line[0] != "#"] == [
        f"JWT_SECRET_KEY={EXAMPLE_SECRET}"
    ]


@pytest.mark.parametrize("environment", ["development", "testing", "production"])
def test_the_example_unchanged_is_refused_everywhere(tmp_path, environment):
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    (tmp_path / ".env").write_text(f"{example}\nENVIRONMENT={environment}\n")

    said = faults(tmp_path)

    assert said[-1] == (
        "JWT_SECRET_KEY: this is the public example; make one with `python -m falcon_auth secret`"
    )
    assert [line.split(":")[0] for line in said[:-1]] == (
        ["DATABASE_URL"] if environment == "production" else []
    )


def test_the_example_key_is_refused_among_the_previous_ones_too():
    with pytest.raises(ValidationError, match="JWT_PREVIOUS_SECRET_KEYS: this is the public"):
        make(jwt_previous_secret_keys=EXAMPLE_SECRET)
