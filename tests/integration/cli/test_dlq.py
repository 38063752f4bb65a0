"""`kafkatrigger dlq`: by the trigger's name through kubectl, on this machine, and at brokers alone."""

import json
from pathlib import Path

import msgspec
import pytest

from kafkatrigger.api.configure import consumer_config
from kafkatrigger.api.resources import KafkaTriggerSpec
from kafkatrigger.cli.local import new_run
from kafkatrigger.consumer.control import Control
from tests.integration.cli.letters import Failed, Letters, offsets_by_key
from tests.integration.cli.places import Cluster
from tests.integration.cli.test_blocked import called


def write_config(letters: Letters, path: Path) -> None:
    """As a consumer of the trigger has it."""
    spec = {
        "kafka": {"bootstrapServers": [letters.bootstrap]},
        "source": {"topics": [letters.source], "groupId": letters.group},
        "transformation": {"function": "module:function"},
    }
    config = consumer_config("tests", "rul", KafkaTriggerSpec.model_validate(spec))
    path.write_bytes(msgspec.json.encode(config))


@pytest.fixture
def on_cluster(cluster: Cluster, letters: Letters) -> Cluster:
    """Two pods, of which the first cannot be asked."""
    for name in ("one", "two"):
        cluster.pod(name)
        write_config(letters, cluster.folder / f"{name}.json")
    cluster.refuse("one")
    return cluster


def test_lists_and_shows_through_a_pod(on_cluster: Cluster, letters: Letters) -> None:
    letters.write(Failed(0, 1, b"a", b"\x00binary\xff"), Failed(0, 2, b"\xff"))
    result = called("dlq", "list", "rul")
    assert result.exit_code == 0
    assert [line.split()[1] for line in result.stdout.splitlines()[1:]] == [
        f"{letters.source}-0-1",
        f"{letters.source}-0-2",
    ]
    found = json.loads(called("dlq", "list", "rul", "-o", "json", "--key", "a").stdout)
    assert [(each["messageId"], each["key"], each["redriven"]) for each in found] == [
        (f"{letters.source}-0-1", "a", [])
    ]
    shown = called("dlq", "show", "rul", found[0]["id"]).stdout
    assert "FunctionFailed ValueError, 5 attempts" in shown
    assert "\\x00binary\\xff" in shown
    raw = called("dlq", "show", "rul", f"{letters.source}-0-1", "--raw")
    assert raw.stdout_bytes == b"\x00binary\xff"
    whole = json.loads(called("dlq", "show", "rul", f"{letters.source}-0-1", "-o", "json").stdout)
    assert whole["value"] == {"base64": "AGJpbmFyef8="}
    assert {"name": "kafkatrigger.attempts", "value": "5"} in whole["headers"]


def test_redrives_through_a_pod_what_was_counted(on_cluster: Cluster, letters: Letters) -> None:
    letters.write(Failed(0, 1, b"a"), Failed(0, 2, b"b"), Failed(0, 3, b"a"))
    dry = called("dlq", "redrive", "rul", "--dry-run", "-o", "json")
    assert (dry.exit_code, json.loads(dry.stdout)["letters"]) == (0, 3)
    no = called("dlq", "redrive", "rul", stdin="n\n")
    assert (no.exit_code, "3 dead letters of 2 keys to redrive" in no.stderr) == (1, True)
    assert letters.copies == []
    yes = called("dlq", "redrive", "rul", "--key", "a", stdin="y\n")
    assert (yes.exit_code, "redrove 2 of 2" in yes.stdout) == (0, True)
    assert offsets_by_key(letters.copies) == {b"a": [1, 3]}
    rest = called("dlq", "redrive", "rul", "--yes")
    assert (rest.exit_code, "redrove 1 of 1" in rest.stdout, "2 left out" in rest.stdout) == (0, True, True)


def test_newer_messages_end_it_before_it_asks(on_cluster: Cluster, letters: Letters) -> None:
    letters.fill(b"a", b"a")
    letters.write(Failed(0, 0, b"a"))
    for arguments in ((), ("--yes",)):
        refused = called("dlq", "redrive", "rul", *arguments)
        assert (refused.exit_code, "--allow-reorder" in refused.stderr) == (1, True)
    assert letters.copies == []
    assert called("dlq", "redrive", "rul", "--allow-reorder", stdin="y\n").exit_code == 0
    assert len(letters.copies) == 1


def test_what_could_not_be_moved_shows_in_the_exit_code(on_cluster: Cluster, letters: Letters) -> None:
    letters.write(Failed(0, 0, b"a", omitted=7))
    result = called("dlq", "redrive", "rul", "--yes")
    assert (result.exit_code, "1 cannot be redriven" in result.stdout) == (3, True)
    assert called("dlq", "redrive", "rul").exit_code == 3


def test_works_at_brokers_alone(letters: Letters) -> None:
    letters.write(Failed(0, 1, b"a", b"v"))
    where = ("--brokers", letters.bootstrap, "--topic", letters.target.topic)
    assert f"{letters.source}-0-1" in called("dlq", "list", *where).stdout
    assert called("dlq", "show", f"{letters.source}-0-1", "--raw", *where).stdout == "v"
    assert called("dlq", "redrive", "--yes", "--brokers", letters.bootstrap, "--group", letters.group).exit_code == 0
    assert len(letters.copies) == 1
    assert "-\n" not in called("dlq", "list", *where).stdout, "it was redriven"


def test_works_on_this_machine(letters: Letters, runtime_folder: Path) -> None:
    letters.write(Failed(0, 1, b"a"))
    with new_run("default", "rul") as folder:
        write_config(letters, Path(folder, "consumer.json"))
        control = Control(Path(folder, "control.sock"))
        try:
            result = called("dlq", "redrive", "rul", "--local", "--yes")
        finally:
            control.close()
    assert (result.exit_code, len(letters.copies)) == (0, 1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("list",), "name the trigger"),
        (("list", "--brokers", "b:1"), "--brokers needs --topic"),
        (("show", "rul"), "write TOPIC-PARTITION-OFFSET"),
        (("show",), "write TOPIC-PARTITION-OFFSET"),
        (("show", "a", "b", "t-0-1"), "one trigger and one dead letter"),
    ],
)
def test_wrong_arguments_are_explained(arguments: tuple[str, ...], words: str) -> None:
    result = called("dlq", *arguments)
    assert (result.exit_code, words in result.stderr) == (2, True)


def test_an_error_of_the_brokers_is_one_of_the_command(letters: Letters) -> None:
    result = called("dlq", "list", "--brokers", letters.bootstrap, "--topic", "nowhere.dlq")
    assert (result.exit_code, "nowhere.dlq does not exist" in result.stderr) == (1, True)
