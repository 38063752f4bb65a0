"""Changes of a running trigger."""

from typing import Any

from tests.support.release import NEXT_IMAGE
from tests.support.traffic import Answer
from tests.support.triggers import Namespace, Trigger
from tests.support.waiting import until


def test_function_image_and_environment_change_under_load(namespace: Namespace) -> None:
    trigger = namespace.trigger().wait_ready()
    with trigger.traffic() as traffic:
        traffic.wait_more()
        _change(trigger, transformation={"function": "functions:stamp_again"})
        traffic.wait_more()
        _change(trigger, runtime={"image": NEXT_IMAGE})
        traffic.wait_more()
        _change(trigger, runtime={"env": [{"name": "GREETING", "value": "hello"}]})
        traffic.wait_more()
    found = trigger.answered(traffic.sent)
    seen = sorted({number: _behaviour(answer) for number, answer in _first(found).items()}.items())
    behaviours = list(dict.fromkeys(behaviour for _, behaviour in seen))
    assert behaviours == [
        ("first", None, False),
        ("first", None, True),
        ("second", None, True),
        ("second", "hello", True),
    ]


def test_a_package_of_the_teams_own_image(namespace: Namespace) -> None:
    trigger = namespace.trigger("functions:packages").wait_ready()
    namespace.topics.produce(trigger.source, [(b"k", b'{"n": 0, "package": "iniconfig"}')])
    (answer,) = trigger.answered(1)
    assert answer.value["version"] == "2.3.1"


def test_an_unknown_function_leaves_the_old_pod_at_work(namespace: Namespace) -> None:
    trigger = namespace.trigger().wait_ready()
    old = trigger.pod_names()
    trigger.patch(transformation={"function": "functions:stomp"})
    trigger.wait("Consuming", "False", "TransformationNotLoaded", "stomp", "functions")
    trigger.produce(range(50))
    trigger.answered(50)
    assert old < trigger.pod_names()
    trigger.patch(transformation={"function": "functions:stamp_again"})
    trigger.wait_ready()
    until(lambda: len(trigger.all_pods()) == 1, what="the end of the old pods")
    trigger.produce(range(50, 100))
    found = _first(trigger.answered(100))
    assert all("again" in found[number].value for number in range(50, 100))


def test_pods_go_on_while_the_brokers_of_a_change_do_not_answer(namespace: Namespace) -> None:
    trigger = namespace.trigger().wait_ready()
    pods = trigger.pod_names()
    with trigger.traffic() as traffic:
        traffic.wait_more()
        before = trigger.spec["kafka"]
        trigger.patch(kafka={"bootstrapServers": ["nowhere.example:9092"]})
        trigger.wait("Ready", "False", "BrokersUnreachable", "nowhere.example:9092")
        trigger.wait("Deployed", "False", "BrokersAwaited")
        sent = traffic.sent
        traffic.wait_more()
        trigger.answered_up_to(sent)
        trigger.patch(kafka=before)
        trigger.wait_ready()
    trigger.answered(traffic.sent)
    assert trigger.pod_names() == pods


def _change(trigger: Trigger, **spec: Any) -> None:
    (before,) = trigger.pod_names()
    trigger.patch(**spec)
    trigger.wait_ready()
    until(lambda: len(trigger.all_pods()) == 1, what="the end of the old pod")
    assert before not in trigger.pod_names()


def _first(found: list[Answer]) -> dict[int, Answer]:
    """The first answer to each message."""
    return {answer.number: answer for answer in reversed(found)}


def _behaviour(answer: Answer) -> tuple[str, str | None, bool]:
    return answer.value["edition"], answer.value["greeting"], "again" in answer.value
