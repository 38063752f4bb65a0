"""What the operator reads of a pod's status is what the pod writes."""

import msgspec

from kafkatrigger.api.pod_status import CONSUMING, PartitionStatus, PodStatus
from kafkatrigger.controller.reports import Held, Report, lag


def read(status: PodStatus) -> Report:
    return msgspec.json.decode(msgspec.json.encode(status), type=Report)


def test_names_and_types_are_the_same() -> None:
    status = PodStatus(
        "plant-7/rul",
        True,
        CONSUMING,
        "consuming",
        "group",
        [PartitionStatus("machine-data", 3, 5, 5, 0, "Committed")],
        blocked_keys=2,
        blocked_message="since Monday",
        breaker_open=True,
        dead_letter_problem="no topic",
        stopped="machine-data/3/5/1 ValueError",
        retention_warning="soon",
    )
    assert read(status) == Report(
        ready=True,
        reason=CONSUMING,
        message="consuming",
        partitions=frozenset({Held("machine-data", 3)}),
        blocked_keys=2,
        blocked_message="since Monday",
        breaker_open=True,
        dead_letter_problem="no topic",
        stopped="machine-data/3/5/1 ValueError",
        retention_warning="soon",
        group_id="group",
    )


def test_counters_that_move_are_no_news() -> None:
    before = PodStatus("n/t", True, CONSUMING, "", "g", [PartitionStatus("t", 0, 5, 5, 0, "Committed")])
    after = PodStatus(
        "n/t",
        True,
        CONSUMING,
        "",
        "g",
        [
            PartitionStatus(
                "t", 0, 95, 90, 5, "Committed", in_flight=3, last_progress_seconds=0.1, processed=97, timestamp=5
            )
        ],
        in_flight=3,
        outcomes={"succeeded": 90},
        attempts={"succeeded": 91},
    )
    assert read(before) == read(after)


def test_an_older_pod_is_understood() -> None:
    """While an upgrade rolls, pods answer that do not know the newer fields."""
    text = b'{"trigger":"n/t","ready":false,"reason":"JoiningGroup","message":"m","groupId":"g","partitions":[]}'
    report = msgspec.json.decode(text, type=Report)
    assert not report.settled
    assert report == Report(False, "JoiningGroup", "m", group_id="g")


def test_how_far_a_partition_is_is_read_though_it_is_no_news() -> None:
    at = PartitionStatus("t", 0, 95, 90, 5, "Committed", timestamp=1715764260123, topic_id="0a")
    (held,) = read(PodStatus("n/t", True, CONSUMING, "", "g", [at])).partitions
    assert (held.committed, held.timestamp, held.topic_id, held.lag) == (90, 1715764260123, "0a", 5)
    assert held == Held("t", 0)
    assert held != Held("t", 1)


def said(*held: Held) -> Report:
    return Report(True, CONSUMING, "", frozenset(held))


def test_lag() -> None:
    first, second = Held("t", 0, lag=3), Held("t", 1, lag=4)
    assert lag([said(first), said(second)]) == 7
    assert lag([said(first, second), said(Held("t", 1, lag=1))]) == 4
    assert lag([said(first), said(Held("t", 1))]) is None
    assert lag([said()]) is None
