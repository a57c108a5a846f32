"""`capacity`: plans from costs in a file, or measured here."""

import json

import pytest
from click.testing import CliRunner

from falcon_auth.commands.capacity import capacity

ARGUMENTS = ["--users", "1000000", "--logins", "864000", "--peak", "2"]
COSTS = {"hash": 0.25, "login": 0.002, "refresh": 0.001, "request": 0.0005}


def run(*arguments, costs=None):
    """Run the command where *costs* are read from standard input."""
    given = ["--costs", "-"] if costs is not None else []
    return CliRunner().invoke(capacity, [*ARGUMENTS, *given, *arguments], input=costs)


def test_a_plan_from_costs_names_what_is_needed():
    result = run(costs=json.dumps(COSTS))

    assert result.exit_code == 0
    assert "log-ins a second             20.0" in result.output
    assert "for HASH_WORKERS           8" in result.output
    assert result.output.endswith("The load exhausts password hashing first.\n")


def test_what_json_prints_can_be_given_back_as_costs():
    first = run("--json", "--writes", "500", costs=json.dumps(COSTS)).output

    again = run("--json", "--writes", "500", costs=first).output

    assert json.loads(again) == json.loads(first)
    assert json.loads(first)["utilisation"]["database writes"] < 1
    assert json.loads(first)["cores"] == 9


@pytest.mark.parametrize("costs", ["", "[]", "{}", '{"costs": 1}', '{"hash": 1}'])
def test_costs_that_are_none_are_refused_with_their_names(costs):
    result = run(costs=costs)

    assert result.exit_code == 2
    assert "hash, login, refresh, request" in result.output


def test_this_machine_is_measured_by_a_service_of_its_own():
    result = CliRunner().invoke(
        capacity, [*ARGUMENTS, "--rounds", "4", "--seconds", "0.2", "--json"]
    )

    measured = json.loads(result.output)["costs"]
    assert all(0 < measured[name] < 0.1 for name in ("hash", "refresh", "request"))
    assert measured["login"] >= 0
