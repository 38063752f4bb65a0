"""`kafkatrigger replay` through kubectl, with a real broker."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient

from kafkatrigger.api.configure import consumer_config
from kafkatrigger.api.resources import KafkaTriggerSpec
from tests.cluster.broker import HostBroker
from tests.integration.cli.places import Cluster
from tests.integration.cli.test_blocked import called
from tests.support.topics import Topics
from tests.support.waiting import until


@pytest.fixture
def source(broker: HostBroker, topics: Topics, cluster: Cluster) -> str:
    """A topic of two partitions, with ten messages in the first, of which the trigger's group has six."""
    name = topics.create(2)
    topics.produce(name, [(b"k", b"{}")] * 10, partition=0)
    spec = {
        "kafka": {"bootstrapServers": [broker.bootstrap]},
        "source": {"topics": [name], "groupId": f"g.{name}"},
        "transformation": {"function": "module:function"},
    }
    cluster.configure(consumer_config("plant-7", "rul", KafkaTriggerSpec.model_validate(spec)), "one")
    at = [ConsumerGroupTopicPartitions(f"g.{name}", [TopicPartition(name, 0, 6)])]
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})

    def commits() -> bool:
        """A broker that has just begun may refuse the first."""
        return admin.alter_consumer_group_offsets(at)[f"g.{name}"].result().topic_partitions[0].error is None

    until(commits, 30, "the commit")
    return name


@pytest.fixture
def trigger(cluster: Cluster) -> Path:
    return cluster.trigger()


def replay_of(trigger: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(trigger.read_text())["spec"].get("replay", {})
    return found


def test_a_dry_run_shows_and_asks_for_nothing(cluster: Cluster, source: str, trigger: Path) -> None:
    cluster.pod("one")
    result = called("replay", "rul", "--from", "earliest", "--partition", f"{source}/0=4", "--dry-run")
    assert result.exit_code == 0
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines[1] == [f"{source}/0", "6", "4", "10", "2", "0"]
    assert lines[2] == [f"{source}/1", "-", "0", "0", "0", "0"]
    assert "2 messages run again, 0 are left out" in result.stdout
    found = json.loads(called("replay", "rul", "--from", "latest", "--dry-run", "-o", "json").stdout)
    assert (found["phase"], found["again"], found["leftOut"]) == ("DryRun", 0, 4)
    assert replay_of(trigger) == {}


def test_asks_before_it_acts(cluster: Cluster, source: str, trigger: Path) -> None:
    cluster.pod("one")
    no = called("replay", "rul", "--from", "earliest", stdin="n\n")
    assert (no.exit_code, replay_of(trigger)) == (1, {})
    yes = called("replay", "rul", "--from", "2h", "--nonce", "fix", "--no-wait", stdin="y\n")
    assert yes.exit_code == 0
    asked = replay_of(trigger)
    assert asked["nonce"] == "fix"
    assert asked["from"].endswith("Z")
    assert set(asked) == {"nonce", "from"}


def test_replaces_the_last_replay(cluster: Cluster, source: str, trigger: Path) -> None:
    cluster.pod("one")
    for offset in (1, 2):
        called("replay", "rul", "--partition", f"{source}/0={offset}", "--yes", "--no-wait")
    assert replay_of(trigger)["partitions"] == {source: {"0": 2}}
    assert "from" not in replay_of(trigger)


def test_what_cannot_be_moved_is_not_asked_for(cluster: Cluster, source: str, trigger: Path) -> None:
    cluster.pod("one")
    result = called("replay", "rul", "--partition", f"{source}/0=11", "--yes")
    assert (result.exit_code, replay_of(trigger)) == (1, {})
    assert "goes from 0 to 10, and has no offset 11" in result.stderr


def test_without_a_pod_it_needs_brokers(broker: HostBroker, cluster: Cluster, source: str, trigger: Path) -> None:
    result = called("replay", "rul", "--from", "earliest", "--dry-run")
    assert (result.exit_code, "--brokers" in result.stderr) == (1, True)
    found = called("replay", "rul", "--from", "earliest", "--dry-run", "-o", "json", "--brokers", broker.bootstrap)
    assert json.loads(found.stdout)["again"] == 6


@pytest.mark.parametrize(
    ("ends", "code", "words"),
    [
        ({"phase": "Done", "handledNonce": "n"}, 0, ""),
        ({"phase": "Refused", "message": "replay n was refused"}, 1, "replay n was refused"),
    ],
)
def test_follows_to_the_end(
    cluster: Cluster,
    source: str,
    trigger: Path,
    ends: dict[str, str],
    code: int,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("kafkatrigger.cli.replay.LOOK_SECONDS", 0.1)
    cluster.pod("one")

    def looks() -> int:
        return sum("kafkatriggers" in call for call in cluster.calls)

    def show(status: dict[str, str]) -> None:
        body = json.loads(trigger.read_text())
        said = {"type": "Replaying", "message": f"it is {status['phase']}"}
        body["status"] = {"replay": {"nonce": "n", **status}, "conditions": [said]}
        trigger.with_suffix(".new").write_text(json.dumps(body))
        trigger.with_suffix(".new").replace(trigger)

    def operate() -> None:
        until(lambda: replay_of(trigger), 30, "the replay")
        show({"phase": "Stopping"})
        before = looks()
        until(lambda: looks() >= before + 2, 30, "that the first of two looks was told of")
        show(ends)

    operator = threading.Thread(target=operate)
    operator.start()
    result = called("replay", "rul", "--from", "earliest", "--yes", "--nonce", "n")
    operator.join()
    assert result.exit_code == code
    assert "it is Stopping" in result.stderr
    assert words in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--from", "yesterday"),
        ("--partition", "orders=5"),
        ("--partition", "orders/0=-5"),
        ("--from", "2h", "--local"),
    ],
)
def test_wrong_arguments(arguments: tuple[str, ...]) -> None:
    assert called("replay", "rul", *arguments).exit_code == 2
