"""Which changes of a trigger let its pods roll, and which have all of them leave first."""

from typing import Any

import msgspec
import pytest

from kafkatrigger.api.moves import Answer, Empty, Group
from kafkatrigger.controller.membership import Change, errand, hold, leaves, membership, waits
from kafkatrigger.kafka.brokers import Finding
from tests.unit.controller.helpers import accepted, settings

GROUP = Group(("kafka:9092",), "plant-7.rul")


def of(spec: dict[str, Any], prefix: str = "") -> Any:
    return membership(accepted(spec, settings(groupIdPrefix=prefix)).config)


def change(after: dict[str, Any], pods: int = 0, before: dict[str, Any] | None = None) -> Change:
    return Change(of(before or {}).text(), of(after), GROUP, pods)


def servers(*names: str) -> dict[str, Any]:
    return {"kafka": {"bootstrapServers": list(names)}}


def source(**fields: Any) -> dict[str, Any]:
    return {"source": {"topics": ["machine-data"], **fields}}


@pytest.mark.parametrize(
    "after",
    [
        {},
        servers("kafka:9092", "kafka-2:9092"),
        {"kafka": {"bootstrapServers": ["kafka:9092"], "options": {"client.rack": "a"}}},
        source(topics=["other"]),
        source(topics=["machine-data", "other"]),
        source(groupProtocol="Consumer"),
        {"delivery": {"guarantee": "ExactlyOnce"}},
    ],
)
def test_pods_roll(after: dict[str, Any]) -> None:
    assert not leaves(change(after))
    assert hold(change(after, pods=3), None) is None


@pytest.mark.parametrize("after", [servers("elsewhere:9092"), source(groupProtocol="Classic")])
def test_pods_leave_first(after: dict[str, Any]) -> None:
    draining, gone = change(after, pods=1), change(after)
    assert errand(draining) is None
    assert errand(gone) == Empty(GROUP)
    waits = (hold(draining, None), hold(gone, None), hold(gone, Answer(waiting="a member")))
    assert [each.reason for each in waits if each] == ["GroupChanging"] * 3
    assert "a member" in str(waits[2])
    assert hold(gone, Answer()) is None


def test_another_prefix_of_groups_is_another_group() -> None:
    assert leaves(Change(of({}).text(), of({}, prefix="new."), GROUP, 1))


@pytest.mark.parametrize("before", ["", "{", '{"servers": 1}'])
def test_what_nobody_of_ours_wrote_holds_up_nothing(before: str) -> None:
    assert not leaves(Change(before, of({}), GROUP, 1))


MISSING, SILENT = Finding(missing=("other",)), Finding(unreachable="refused")


@pytest.mark.parametrize("finding", [None, MISSING, SILENT])
@pytest.mark.parametrize(
    "after",
    [
        servers("elsewhere:9092"),
        servers("kafka:9092", "kafka-2:9092"),
        source(topics=["other"]),
        source(topics=["machine-data", "other"]),
        {"source": {"topicPattern": "machine-.*"}},
    ],
)
def test_what_brokers_do_not_have_is_not_rolled_out_to_pods_that_work(
    after: dict[str, Any], finding: Finding | None
) -> None:
    said = waits(change(after, pods=1), finding, ready=1)
    assert said is not None
    assert (said.holds, said.reason) == (False, "BrokersAwaited")
    assert waits(change(after, pods=1), Finding(), ready=1) is None
    assert waits(change(after, pods=1), finding, ready=0) is None, "nothing works that could be broken"


@pytest.mark.parametrize(
    "after",
    [
        {},
        source(topics=["machine-data"], groupProtocol="Classic"),
        {"kafka": {"bootstrapServers": ["kafka:9092"], "options": {"client.rack": "a"}}},
    ],
)
def test_other_changes_do_not_wait_for_brokers(after: dict[str, Any]) -> None:
    assert waits(change(after, pods=1), SILENT, ready=1) is None


def test_what_a_former_version_wrote_is_no_other_source() -> None:
    former = membership_text(of({}))
    assert waits(Change(former, of(source(topics=["other"])), GROUP, 1), SILENT, ready=1) is None
    assert waits(Change(former, of(servers("elsewhere:9092")), GROUP, 1), SILENT, ready=1) is not None


def membership_text(now: Any) -> str:
    """As it was before sources were told."""
    return msgspec.json.encode({"servers": now.servers, "group": now.group, "protocol": now.protocol}).decode()
