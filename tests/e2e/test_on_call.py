"""What somebody on call looks at, through a kubelet and the real kubectl."""

import orjson

from tests.support.commands import kafkatrigger
from tests.support.triggers import Namespace, Trigger
from tests.support.waiting import until

LEVEL = "kafkatrigger.dev/log-level"
CONTAINERS = ("consumer", "runtime")
BAD = orjson.dumps({"do": "raise"})


def test_a_trigger_is_looked_at_closely_and_nothing_of_it_is_replaced(namespace: Namespace) -> None:
    trigger = namespace.trigger(
        "functions:tell",
        delivery={"retry": {"attempts": 1}, "deadLetter": {"topic": f"{namespace.name}.rul.dlq"}},
    ).wait_ready()
    (pod,) = trigger.pods()
    assert not debug_lines(trigger, "consumer")
    trigger.kubectl("annotate", trigger.resource, f"{LEVEL}=DEBUG")
    # In every process: the consumer, the runtime and its worker.
    until(lambda: sum(log(trigger, each).count("the log level is DEBUG") for each in CONTAINERS) == 3, 60, "the level")
    namespace.topics.produce(trigger.source, [(b"k", BAD)])
    trigger.letters(1)
    until(lambda: any("gets a batch" in line for line in debug_lines(trigger, "consumer")), 30, "the batch")
    until(lambda: any("functions.py" in line for line in debug_lines(trigger, "runtime")), 30, "the line of code")
    trigger.kubectl("annotate", trigger.resource, f"{LEVEL}-")
    until(lambda: "the log level is as usual again" in log(trigger, "consumer"), 60, "the usual level")

    top = [line.split() for line in kafkatrigger(namespace.name, "top", "--once").splitlines()]
    assert top[1][:4] == [f"{namespace.name}/rul", "True", "Consuming", "1/1"]
    page = kafkatrigger(namespace.name, "describe", "rul")
    for words in (
        f"{trigger.source}/0",
        f"{trigger.source}/1",
        "FunctionFailed",
        "ValueError",
        pod["metadata"]["name"],
    ):
        assert words in page
    (same,) = trigger.pods()
    assert same["metadata"]["uid"] == pod["metadata"]["uid"]
    assert trigger.restarts() == 0


def log(trigger: Trigger, container: str) -> str:
    return trigger.kubectl("logs", "deployment/rul-consumer", f"--container={container}", "--tail=-1")


def debug_lines(trigger: Trigger, container: str) -> list[str]:
    return [line for line in log(trigger, container).splitlines() if " DEBUG " in line]
