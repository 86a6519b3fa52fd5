"""Every command: help with an example, one clear line when something is wrong, and never a traceback."""

import importlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from pipeline import catalogue, settings
from pipeline.cli import main as entry

OWN = ("ask", "fallback", "topics", "schemas", "publish", "consume", "config", "console", "doctor")


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No settings and no embedded stack."""
    for name in list(os.environ):
        if name.startswith("PIPELINE_") or name.endswith("_API_KEY"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(settings.places, "embedded_state_file", lambda: tmp_path / "none.json")
    settings.load.cache_clear()
    yield
    settings.load.cache_clear()


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs the console script's function: exit code, standard output, standard error."""

    def called(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            entry.main(arguments)
        out, err = capfd.readouterr()
        return int(ended.value.code or 0), out, err

    return called


def _leaves(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from _leaves(inner, (*path, name))
    else:
        yield path, command


COMMANDS = [
    found for name in OWN for found in _leaves(importlib.import_module(f"pipeline.cli.{name}").command, (name,))
]


@pytest.mark.parametrize("path", [path for path, _ in COMMANDS], ids=" ".join)
def test_help_shows_an_example_of_the_very_command(path: tuple[str, ...], run: Run) -> None:
    code, out, _ = run(*path, "--help")
    assert code == 0
    assert "Example" in out
    assert f"pipeline {' '.join(path)}" in out.partition("Example")[2]


@pytest.mark.parametrize("path", [path for path, _ in COMMANDS], ids=" ".join)
def test_every_command_can_answer_a_program(path: tuple[str, ...], run: Run) -> None:
    assert "--json" in run(*path, "--help")[1]


def test_the_list_of_commands_imports_none_of_them(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two seconds of imports before the first line of help would be the first thing that a person sees."""
    monkeypatch.setattr(importlib, "import_module", lambda name: pytest.fail(f"{name} was imported"))
    code, out, _ = run("--help")
    assert code == 0
    assert all(f"  {name} " in out for name in OWN)


@pytest.mark.parametrize("name", OWN)
def test_every_command_in_the_list_is_there(name: str, run: Run) -> None:
    code, out, _ = run(name, "--help")
    assert code == 0
    assert out.startswith(f"Usage: pipeline {name} ")


KAFKA = "no Kafka: start the embedded one (pipeline dev up) or set PIPELINE_KAFKA__BOOTSTRAP_SERVERS"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("topics", "plan"), KAFKA),
        (("topics", "apply"), KAFKA),
        (("topics", "acls", "--apply"), KAFKA),
        (("publish", "support.tickets.v1", "-"), KAFKA),
        (("consume", "support.tickets.v1"), KAFKA),
        (("schemas", "register"), "no schema registry"),
        (("publish", "support.tickets.v1", "nowhere.jsonl"), "'nowhere.jsonl' does not exist"),
        (("publish",), "Missing argument 'TOPIC'"),
        (("publish", "a", "-", "--rate", "-1"), "--rate"),
        (("consume", "support.tickets.v1", "--limit", "0"), "--limit"),
        (("consume", "support.tickets.v1", "--from", "yesterday"), "'yesterday' is neither a time"),
        (("topics",), "Show this message"),
        (("topics", "delete"), "No such command 'delete'"),
        (("consume", "--colour", "x"), "--colour"),
        (("nothing",), "No such command 'nothing'"),
    ],
)
def test_what_a_person_can_mend_is_one_line_and_exit_code_2(arguments: tuple[str, ...], said: str, run: Run) -> None:
    code, out, err = run(*arguments)
    assert said in out + err
    if arguments != ("topics",):
        assert code == 2
        assert out == ""
        assert err.startswith("pipeline: ")
        assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("publish", "support.ticket", "-"),
            "no topic support.ticket in the catalogue; there are: enrichment.audit.v1,",
        ),
        (("consume", "support.ticket"), "no topic support.ticket in the catalogue"),
        (("publish", "support.tickets.v1", "-", "--raw", "--header", "x"), "'x' is not NAME=TEXT"),
        (("publish", "support.tickets.v1", "-"), "no schema registry"),
    ],
)
def test_names_that_lead_nowhere_are_told(
    arguments: tuple[str, ...], said: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIPELINE_KAFKA__BOOTSTRAP_SERVERS", "127.0.0.1:9")
    code, _, err = run(*arguments)
    assert code == 2
    assert said in err
    assert err.count("\n") == 1


def test_a_service_that_is_away_is_one_line_and_exit_code_1(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIPELINE_REGISTRY__URL", "http://127.0.0.1:9")
    code, _, err = run("schemas", "register")
    assert code == 1
    assert err == "pipeline: schema registry http://127.0.0.1:9 cannot be reached (ConnectError): is it up?\n"


class TestConfig:
    SECRETS = ("sesame", "open-up", "rabbit", "vault-secret")

    @pytest.fixture
    def found(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
        monkeypatch.setenv("PIPELINE_KAFKA__SASL_PASSWORD", "sesame")
        monkeypatch.setenv("PIPELINE_KAFKA__OPTIONS", json.dumps({"ssl.key.password": "open-up", "linger.ms": "5"}))
        monkeypatch.setenv("PIPELINE_REDIS__URL", "redis://user:rabbit@host:6379/0")
        monkeypatch.setenv("PIPELINE_VAULT__KEYS", "vault-secret")
        monkeypatch.setenv("OPENAI_API_KEY", "sesame")

        def printed(*options: str) -> str:
            code, out, err = run("config", *options)
            assert (code, err) == (0, "")
            return out

        return printed

    def test_hides_every_secret(self, found: Callable[..., str]) -> None:
        for printed in (found(), found("--json")):
            assert not [secret for secret in self.SECRETS if secret in printed]
            assert "(hidden)" in printed
            assert "host:6379" in printed
            assert "linger.ms" in printed

    def test_shows_budgets_as_they_were_set(self, found: Callable[..., str]) -> None:
        Path("pipeline.toml").write_text('[[budget.limits]]\ntenant = "acme"\nusd = 12.5\n')
        assert "tenant=acme enrichment=* period=day usd=12.5" in " ".join(found().split())
        (limit,) = json.loads(found("--json"))["settings"]["budget.limits"]["value"]
        assert (limit["tenant"], limit["usd"], limit["hard"]) == ("acme", "12.5", "hold")

    def test_says_where_each_value_comes_from(self, found: Callable[..., str]) -> None:
        Path("pipeline.toml").write_text("[engine]\nconcurrency = 7\n")
        told = json.loads(found("--json"))
        assert told["settings"]["engine.concurrency"] == {"value": 7, "source": "file"}
        assert told["settings"]["kafka.sasl_password"] == {"value": "(hidden)", "source": "environment"}
        assert told["settings"]["engine.grace"] == {"value": 10.0, "source": "default"}
        assert told["provider_keys_set"] == {"openai": True, "anthropic": False}

    def test_names_the_variable_of_a_key_that_is_not_set(self, found: Callable[..., str]) -> None:
        printed = found()
        assert "provider anthropic has no key: set ANTHROPIC_API_KEY" in printed
        assert "provider openai has no key" not in printed


class TestDoctor:
    def test_says_what_to_do_about_everything_that_is_missing(self, run: Run) -> None:
        code, out, err = run("doctor")
        assert (code, err) == (1, "")
        for wanted in ("PIPELINE_KAFKA__BOOTSTRAP_SERVERS", "PIPELINE_REGISTRY__URL", "PIPELINE_VAULT__KEYS"):
            assert wanted in out
        assert "set OPENAI_API_KEY; claims, tickets cannot work" in out

    def test_answers_a_program(self, run: Run) -> None:
        code, out, _ = run("doctor", "--json")
        assert code == 1
        told = json.loads(out)
        assert told["healthy"] is False
        assert {finding["state"] for finding in told["findings"]} == {"missing"}

    def test_one_provider_of_two_is_a_warning(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        """The ladder of tiers has another: a worker can do its job."""
        from pipeline.cli import doctor

        async def half(*_: object) -> dict[str, str]:
            return {"openai": "", "anthropic": "no key"}

        monkeypatch.setattr(doctor, "_unreachable", half)
        found = {item["name"]: item for item in json.loads(run("doctor", "--json")[1])["findings"]}
        assert found["openai"]["state"] == "ok"
        assert found["anthropic"]["state"] == "warning"


class TestSchemas:
    def test_are_checked_without_a_registry(self, run: Run) -> None:
        code, out, _ = run("schemas", "check")
        assert code == 0
        assert "compared among the files only" in out

    def test_that_break_are_told_field_by_field(
        self, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        folder = Path(catalogue.__file__).parents[2] / "schemas"
        for subject in folder.iterdir():
            (tmp_path / "schemas" / subject.name).mkdir(parents=True)
            text = (subject / "v1.avsc").read_text()
            (tmp_path / "schemas" / subject.name / "v1.avsc").write_text(text)
        newer = json.loads((folder / "support.ticket/v1.avsc").read_text())
        newer["fields"].append({"name": "region", "type": "string"})
        (tmp_path / "schemas/support.ticket/v2.avsc").write_text(json.dumps(newer))
        monkeypatch.setenv("PIPELINE_CATALOGUE__SCHEMAS", str(tmp_path / "schemas"))
        code, _, err = run("schemas", "check")
        assert code == 1
        assert "support.ticket breaks: support.ticket version 1: region: is new and has no default\n" in err
        assert err.endswith("pipeline: 1 of 24 subjects would break: give new fields a default\n")


def test_rights_can_be_read_without_a_cluster(run: Run) -> None:
    code, out, _ = run("topics", "acls", "--principal-prefix", "x-", "--json")
    assert code == 0
    assert all(grant["user"].startswith("x-") for grant in json.loads(out)["grants"])
