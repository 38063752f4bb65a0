"""Messages through a real broker, a real consumer and a real runtime."""

from collections import defaultdict

import orjson

from tests.cluster.broker import HostBroker
from tests.integration.consumer.triggers import action, spec
from tests.support.pipeline import Pod
from tests.support.topics import Topics
from tests.support.waiting import until


def test_every_message_is_answered_and_committed(broker: HostBroker, topics: Topics) -> None:
    source = topics.create(4)
    topics.produce(source, [(b"k%d" % (i % 50), orjson.dumps({"n": i})) for i in range(5000)])
    with Pod(spec(broker, source, "functions:double")) as pod:
        answers = topics.read(f"{source}.out", 5000)
        found = sorted((orjson.loads(each.value())["n"], each.key()) for each in answers)
        assert found == [(2 * i, b"k%d" % (i % 50)) for i in range(5000)]
        until(lambda: sum(topics.committed(pod.config.group_id, source).values()) == 5000, 20)
        until(lambda: (now := pod.status) and now.outcomes == {"succeeded": 5000}, 10)
        until(lambda: (now := pod.status) and sum(partition.lag or 0 for partition in now.partitions) == 0, 10)
        pod.stop()


def test_a_key_keeps_its_order(broker: HostBroker, topics: Topics) -> None:
    source = topics.create(2)
    messages = [(b"k%d" % (i % 20), action("fail-until", n=i, attempt=2 if i % 7 == 0 else 1)) for i in range(2000)]
    topics.produce(source, messages)
    with Pod(spec(broker, source, runtime={"workers": 2})):
        answers = topics.read(f"{source}.out", 2000)
    seen: dict[bytes, list[int]] = defaultdict(list)
    for each in answers:
        seen[each.key()].append(orjson.loads(each.value())["n"])
    assert len(answers) == 2000
    assert {key: sorted(numbers) for key, numbers in seen.items()} == seen


BAD = {
    "not JSON": (b"{", "InvalidMessage", 1),
    "raises": (action("raise"), "FunctionFailed", 3),
    "permanent": (action("permanent"), "FunctionFailed", 1),
    "unserialisable": (action("unserialisable"), "InvalidResult", 1),
    "hangs": (action("hang"), "Timeout", 3),
    "exits": (action("exit"), "WorkerCrashed", 3),
    "crashes": (action("segfault"), "WorkerCrashed", 3),
    "too large": (action("large", size=12_000_000), "ResponseRefused", 1),
}


def test_bad_messages_end_in_the_dead_letters_with_their_reason_and_the_others_go_on(
    broker: HostBroker, topics: Topics
) -> None:
    source = topics.create(1)
    good = [(b"good", action("echo", n=i)) for i in range(50)]
    bad = [(name.encode(), value) for name, (value, _, _) in BAD.items()]
    topics.produce(source, [*good[:25], *bad, *good[25:]], headers=[("trace", b"1")])
    with Pod(spec(broker, source, delivery={"deadLetter": {"topic": f"{source}.dlq"}, "timeout": "4s"})) as pod:
        letters = topics.read(f"{source}.dlq", len(BAD), seconds=120)
        answers = topics.read(f"{source}.out", 50)
        until(lambda: topics.committed(pod.config.group_id, source) == {0: 50 + len(BAD)}, 20)
    assert [orjson.loads(each.value())["n"] for each in answers] == list(range(50))
    assert len(letters) == len(BAD)
    for each in letters:
        value, reason, attempts = BAD[each.key().decode()]
        headers = dict(each.headers())
        assert each.value() == value
        assert headers["trace"] == b"1"
        assert headers["kafkatrigger.error.reason"] == reason.encode(), headers
        assert headers["kafkatrigger.attempts"] == b"%d" % attempts
        assert headers["kafkatrigger.source.topic"] == source.encode()
        assert headers["kafkatrigger.error.message"]
