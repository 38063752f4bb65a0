"""Which changes of a trigger let its pods roll, and which have all of them leave first."""

from typing import Any

import pytest

from kafkatrigger.api.moves import Answer, Empty, Group
from kafkatrigger.controller.membership import Change, errand, hold, leaves, membership
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
