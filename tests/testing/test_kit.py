"""The contract kit: that it works for an outsider, loads little, and stays out of production."""

import re
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import jwt
import pytest
from conftest import outcome
from processes import ROOT, UNMEASURED, clean_environment, run_python

from falcon_auth.api.response_contract import ContractBrokenError
from falcon_auth.testing import refuse_outside_tests

GUIDE = ROOT / "docs" / "testing-against-the-contract.md"
CONSUMER = Path(__file__).with_name("consumer")
PROFILE = "/api/v1/protected/profile"
PATIENCE = 60.0


def run_pytest(folder, *arguments, **environment):
    """Run pytest in *folder* as somebody would who has the package installed, and no more."""
    environment = {"PYTHONPATH": ""} | UNMEASURED | environment
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        env=clean_environment(**environment),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_an_outsider_tests_against_it_and_loads_no_database_or_command(tmp_path):
    """What is not loaded costs no time, on whatever machine."""
    project = shutil.copytree(CONSUMER, tmp_path / "consumer")
    (project / "test_loaded.py").write_text(
        "import sys\n\n"
        "def test_loaded(auth_user):\n"
        "    needless = {'sqlalchemy', 'alembic', 'psycopg', 'redis', 'click', 'tqdm'}\n"
        "    assert not needless & sys.modules.keys()\n"
    )

    run = run_pytest(project)

    assert run.returncode == 0, run.stdout + run.stderr
    assert "7 passed" in run.stdout


def test_the_clock_of_the_kit_starts_now_and_moves_only_when_told(auth_clock):
    """So that a verifier elsewhere, by the machine's clock, takes the tokens of a test."""
    start = auth_clock()

    assert abs(start - time.time()) < PATIENCE
    assert auth_clock() == start
    auth_clock.advance(minutes=16)
    assert auth_clock() == start + 960


def test_a_violation_names_the_member(auth_contract):
    headers = {
        "Content-Type": "application/problem+json",
        "X-Request-ID": "x",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
        "Cache-Control": "no-store",
    }
    body = b'{"title": "x", "status": 404, "detail": "x", "code": "NOT_FOUND", "hint": "x"}'

    with pytest.raises(ContractBrokenError) as broken:
        auth_contract.check_parts("get", "/nothing", 404, headers, body)

    said = str(broken.value).splitlines()
    assert sorted(line.partition("the body ")[2] for line in said) == [
        "at / breaks the rule additionalProperties: with hint",
        "at / breaks the rule required: without type, request_id",
    ]


def test_the_testing_guide_in_docs_runs(tmp_path):
    examples = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "test_guide.py").write_text(
        "import jwt\nimport pytest\nimport requests\n\n" + "\n\n".join(examples)
    )

    run = run_pytest(tmp_path, "-W", "error")

    assert run.returncode == 0, run.stdout + run.stderr
    assert "3 passed" in run.stdout
    assert len(examples[0].splitlines()) == 10


def test_the_guide_names_every_fixture(pytestconfig):
    from falcon_auth.testing import plugin

    fixtures = {name for name in vars(plugin) if name.startswith("auth_")}

    listed = re.findall(r"^\| `(auth_\w+)` \|", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(listed) == fixtures


@pytest.mark.parametrize(
    ("environment", "modules"),
    [
        ({}, ["_pytest"]),
        ({"PYTEST_VERSION": "9"}, []),
        ({"PYTEST_VERSION": "9", "ENVIRONMENT": "production"}, ["_pytest"]),
        ({"PYTEST_VERSION": "9", "ENVIRONMENT": " Production "}, ["_pytest"]),
    ],
)
def test_it_refuses_to_load_outside_tests(environment, modules):
    with pytest.raises(ImportError, match=r"not for production|is for tests"):
        refuse_outside_tests(environment, modules)


def test_the_kit_can_be_imported_under_pytest():
    refuse_outside_tests({"PYTEST_VERSION": "9", "ENVIRONMENT": "testing"}, ["_pytest"])


def test_an_import_by_a_program_fails(tmp_path):
    run = run_python("-c", "import falcon_auth.testing.forge", cwd=tmp_path, PYTEST_VERSION="9")

    assert run.returncode == 1
    assert "ImportError: falcon_auth.testing is for tests" in run.stderr


def test_an_import_by_pytest_in_production_fails(tmp_path):
    run = run_pytest(tmp_path, ENVIRONMENT="production")

    assert run.returncode != 0
    assert "falcon_auth.testing is not for production" in run.stderr


def test_the_service_never_imports_it(tmp_path):
    program = """
import sys
import falcon_auth.__main__, falcon_auth.service
print([name for name in sys.modules if "falcon_auth.testing" in name or "pytest" in name])
"""

    assert run_python("-c", program, cwd=tmp_path).stdout.strip() == "[]"


def test_the_plugin_costs_other_tests_nothing(tmp_path):
    """pytest loads it in every run of whoever has the package installed."""
    (tmp_path / "test_nothing.py").write_text(
        "import sys\n\ndef test_nothing():\n    assert 'falcon' not in sys.modules\n"
    )

    assert run_pytest(tmp_path).returncode == 0


def test_it_takes_nothing_from_the_environment(tmp_path):
    """A developer's own settings must not reach a test: a database above all."""
    (tmp_path / "test_settings.py").write_text(
        "def test_settings(auth_service):\n"
        "    settings = auth_service.app.service.settings\n"
        "    assert settings.snapshot_file is None\n"
        "    assert settings.environment == 'testing'\n"
    )
    (tmp_path / ".env").write_text("SNAPSHOT_FILE=here.json\n")

    run = run_pytest(tmp_path, SNAPSHOT_FILE="there.json", BCRYPT_ROUNDS="14")

    assert run.returncode == 0, run.stdout
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {".env", "__pycache__", "test_settings.py"}


# --- The fixtures, one by one


def test_a_user_of_the_kit_is_let_in(auth_client, auth_user):
    profile = auth_client.simulate_get(PROFILE, headers=auth_user.headers).json

    assert (profile["id"], profile["email"]) == (auth_user.id, auth_user.email)


def test_good_tokens_of_the_forge_are_accepted(auth_client, auth_user, auth_forge):
    for token in (auth_forge.good(auth_user), auth_forge.signed(auth_user, jti="another")):
        bearer = {"Authorization": f"Bearer {token}"}
        assert auth_client.simulate_get(PROFILE, headers=bearer).status_code == 200


def test_refused_tokens_of_the_forge_are_refused(auth_client, auth_user, auth_forge, logged):
    reasons = {}
    for kind, (make, code) in auth_forge.refused().items():
        user_token = make(auth_user)
        answer = auth_client.simulate_get(
            PROFILE, headers={"Authorization": f"Bearer {user_token}"}
        )
        assert outcome(answer) == (401, code), kind
        if code == "TOKEN_INVALID":
            reasons[kind] = logged.events("token_rejected")[-1]["reason"]
    # Each is refused for what is wrong with it, and not by accident for something else.
    assert reasons == {
        "from_the_future": "not_yet_valid",
        "foreign": "signature",
        "of_unknown_key": "kid",
        "unsigned": "header",
        "of_other_algorithm": "header",
        "wrong_type": "type",
        "refresh_token": "type",
        "for_another_audience": "aud",
        "tampered": "signature",
        "of_somebody_else": "binding",
        "without_expiry": "exp",
        "too_long": "too_long",
        "malformed": "form",
    }


@pytest.mark.parametrize("algorithm", ["HS512", "RS256", "PS256", "ES256", "EdDSA"])
class TestOfAlgorithm:
    @pytest.fixture
    def auth_settings(self, algorithm):
        return {"jwt_algorithm": algorithm}

    def test_the_forge_signs_with_whatever_key_the_service_has(
        self, auth_client, auth_user, auth_forge
    ):
        def ask(token):
            headers = {"Authorization": f"Bearer {token}"}
            return outcome(auth_client.simulate_get(PROFILE, headers=headers))

        assert ask(auth_forge.signed(auth_user, jti="another")) == (200, None)
        for kind, (make, code) in auth_forge.refused().items():
            assert ask(make(auth_user)) == (401, code), kind


REFUSED_BY_PYJWT = {
    "expired": "ExpiredSignatureError",
    "from_the_future": "ImmatureSignatureError",
    "foreign": "InvalidSignatureError",
    "of_unknown_key": "no such key",
    "unsigned": "InvalidAlgorithmError",
    "of_other_algorithm": "InvalidAlgorithmError",
    "wrong_type": "type",
    "refresh_token": "InvalidAlgorithmError",
    "for_another_audience": "InvalidAudienceError",
    "tampered": "InvalidSignatureError",
    "without_expiry": "MissingRequiredClaimError",
    "malformed": "DecodeError",
}


class TestElsewhere:
    @pytest.fixture
    def auth_settings(self):
        return {"jwt_algorithm": "ES256"}

    def test_a_third_partys_verifier_refuses_each_for_the_reason_in_its_name(
        self, auth_client, auth_user, auth_forge
    ):
        user = auth_user
        keys = jwt.PyJWKSet.from_dict(auth_client.simulate_get("/.well-known/jwks.json").json)

        def refusal(token):
            try:
                kid = jwt.get_unverified_header(token)["kid"]
                key = next((each.key for each in keys.keys if each.key_id == kid), None)
                if key is None:
                    return "no such key"
                claims = jwt.decode(token, key, ["ES256"], options={"require": ["exp"]})
            except jwt.PyJWTError as error:
                return type(error).__name__
            return None if claims["type"] == "access" else "type"

        assert refusal(auth_forge.good(user)) is None
        forged = auth_forge.refused_elsewhere().items()
        assert {name: refusal(make(user)) for name, (make, _) in forged} == REFUSED_BY_PYJWT


def test_a_misspelt_claim_is_reported(auth_user, auth_forge):
    for forge in (
        lambda: auth_forge.signed(auth_user, expp=1),
        lambda: auth_forge.without(auth_user, "expp"),
    ):
        with pytest.raises(ValueError, match=r"'expp' is not a claim .* did you mean 'exp'"):
            forge()
    with pytest.raises(ValueError, match=r"there are .*sid"):
        auth_forge.without(auth_user, "zzzz")
    assert auth_forge.signed(auth_user, extra={"expp": 1})


def test_a_misspelt_setting_is_reported():
    from falcon_auth.testing.service import settings_of

    with pytest.raises(ValueError, match=r"'bcrypt_round' .* did you mean 'bcrypt_rounds'"):
        settings_of({"bcrypt_round": 4})
    with pytest.raises(ValueError, match=r"'zzzz' is not a setting$"):
        settings_of({"zzzz": 4})


def test_a_secret_is_not_in_a_repr(auth_user, auth_service):
    assert auth_user.password not in repr(auth_user)
    assert auth_user.access_token not in repr(auth_user)
    assert auth_service.secret not in repr(vars(auth_service)["app"].service.settings)


def test_the_check_of_the_kit_sees_a_violation(auth_contract):
    with pytest.raises(ContractBrokenError, match="status 418 is not documented"):
        auth_contract.check_parts("get", "http://auth.example/health?a=b", 418, {}, b"")


def test_the_check_reads_a_body_that_was_not_read_yet(auth_contract):
    class Streaming:
        """A response as httpx hands it to its hooks."""

        class request:  # noqa: N801 - an attribute's name
            method, url = "GET", "http://auth.example/nothing"

        status_code, headers, content = 404, {}, b""

        def read(self):
            self.content = b"{}"

        async def aread(self):
            raise AssertionError

    with pytest.raises(ContractBrokenError, match=r"missing"):
        auth_contract(Streaming())


def test_an_override_of_the_settings_counts(pytestconfig):
    from falcon_auth.testing.service import settings_of

    assert settings_of({"rate_limit_requests": 3}).rate_limit_requests == 3


# --- Installation


def test_what_is_installed_is_complete(tmp_path):
    """A wheel, built without a network, holds the schemas, the page and the plugin."""
    source = tmp_path / "source"
    source.mkdir()
    for name in ("falcon_auth", "schemas"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.py", "requirements.txt", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    site = tmp_path / "site"

    built = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--no-build-isolation"),
            *("--no-deps", "--no-index", "--disable-pip-version-check"),
            *("--target", str(site), str(source)),
        ],
        cwd=tmp_path,
        env=clean_environment(PYTHONPATH="", TMPDIR=str(tmp_path), **UNMEASURED),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr

    installed = {
        str(path.relative_to(site / "falcon_auth"))
        for path in (site / "falcon_auth").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    ours = {
        str(path.relative_to(ROOT / "falcon_auth"))
        for path in (ROOT / "falcon_auth").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    schemas = {str(path.relative_to(ROOT)) for path in (ROOT / "schemas").rglob("*.json")}
    assert installed == ours | schemas
    printed = run_python("-m", "falcon_auth", "openapi", cwd=tmp_path, PYTHONPATH=str(site))
    assert '"openapi": "3.1.0"' in printed.stdout, printed.stderr
    assert not {"falcon_auth", "schemas", "tests"} & {path.name for path in site.iterdir()} - {
        "falcon_auth"
    }


def test_the_plugin_is_an_entry_point():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert project["entry-points"]["pytest11"] == {"falcon_auth": "falcon_auth.testing.plugin"}


def test_mails_are_read_where_settings_ask_for_them():
    from falcon_auth.testing.service import Clock, TestService

    with TestService({"email_verification": "optional"}, Clock()) as service:
        user = service.new_user("ada@example.com")

        mail = service.mailbox.only()

        assert (mail.to, mail.page) == (user.email, "/account/verify")
        body = {"token": mail.token, "password": user.password}
        verified = service.client.simulate_post("/api/v1/auth/email/verify", json=body)
        assert verified.status_code == 204


def test_without_such_settings_there_are_no_mails(auth_service):
    assert auth_service.mailbox.recipients() == []


def test_a_mail_without_a_link_says_so():
    from falcon_auth.testing.mails import Mail

    with pytest.raises(ValueError, match="has no link"):
        Mail("ada@example.com", "A notice", "Something has changed.").token  # noqa: B018
