"""What the operator reads of a pod's status is what the pod writes."""

import msgspec

from kafkatrigger.api.pod_status import CONSUMING, PartitionStatus, PodStatus
from kafkatrigger.controller.reports import Held, Report


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
    )


def test_counters_that_move_are_no_news() -> None:
    before = PodStatus("n/t", True, CONSUMING, "", "g", [PartitionStatus("t", 0, 5, 5, 0, "Committed")])
    after = PodStatus(
        "n/t",
        True,
        CONSUMING,
        "",
        "g",
        [PartitionStatus("t", 0, 95, 90, 5, "Committed", in_flight=3, last_progress_seconds=0.1, processed=97)],
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
    assert report == Report(False, "JoiningGroup", "m")
