"""What becomes of messages and responses of unusual shape."""

from collections import Counter

import orjson
import pytest

from tests.cluster.broker import HostBroker
from tests.integration.consumer.triggers import action, numbered, numbers, spec
from tests.support.pipeline import Pod
from tests.support.topics import Topics
from tests.support.waiting import until


def test_one_response_too_large_costs_only_itself(broker: HostBroker, topics: Topics) -> None:
    source = topics.create(1)
    small = numbered(400, keys=10)
    large = (b"large", action("large", size=12_000_000, n=-1))
    topics.produce(source, [*small[:200], large, *small[200:]])
    with Pod(spec(broker, source, runtime={"workers": 1})) as pod:
        until(lambda: topics.committed(pod.config.group_id, source) == {0: 401}, 60)
        answers = topics.read_all(f"{source}.out")
        letters = topics.read_all(f"{source}.dlq")
        pod.wait_outcomes(succeeded=400, dead_lettered=1)
        pod.wait_ready()
        pod.stop()
    assert set(numbers(answers)) == set(range(400))
    assert [letter.key() for letter in letters] == [b"large"]
    headers = dict(letters[0].headers())
    assert headers["kafkatrigger.error.reason"] == b"ResponseRefused"
    assert headers["kafkatrigger.error.class"] == b"MSG_SIZE_TOO_LARGE"


def test_a_dead_letter_too_large_for_its_topic_is_a_reference(broker: HostBroker, topics: Topics) -> None:
    source = topics.create(1)
    topics.create_named(f"{source}.dlq", 1, max_message_bytes="20000")
    letters = [(b"medium", action("raise", pad="x" * 1000)), (b"large", action("raise", pad="x" * 50_000))]
    topics.produce(source, letters, headers=[("trace", b"1")], timestamp=1_760_000_000_000)
    topics.produce(source, [(b"headers", action("raise"))], headers=[("big", b"x" * 50_000)])
    with Pod(spec(broker, source)) as pod:
        until(lambda: topics.committed(pod.config.group_id, source) == {0: 3}, 60)
        found = {letter.key(): letter for letter in topics.read_all(f"{source}.dlq")}
        pod.stop()
    assert found[b"medium"].value() == letters[0][1]
    assert found[b"medium"].timestamp()[1] == 1_760_000_000_000
    reference = found[b"large"]
    assert reference.value() is None
    headers = dict(reference.headers())
    assert headers["kafkatrigger.value.omitted"] == b"%d" % len(letters[1][1])
    assert headers["trace"] == b"1"
    bare = dict(found[None].headers())
    assert bare["kafkatrigger.source.offset"] == b"2"
    assert "big" not in bare


def test_skip_counts_and_goes_on(broker: HostBroker, topics: Topics) -> None:
    source = topics.create(1)
    topics.produce(source, [(b"k", action("raise")), *numbered(10), (b"k", b"no JSON")])
    with Pod(spec(broker, source, delivery={"onFailure": "Skip"})) as pod:
        until(lambda: topics.committed(pod.config.group_id, source) == {0: 12}, 60)
        assert sorted(numbers(topics.read_all(f"{source}.out"))) == list(range(10))
        pod.wait_outcomes(succeeded=10, skipped=2)
        assert topics.count(f"{source}.dlq") == 0
        assert 'outcome="skipped",trigger=' in pod.get("/metrics")[1]
        pod.stop()


def test_keys_and_values_that_are_empty_or_absent(broker: HostBroker, topics: Topics) -> None:
    source = topics.create(1)
    echo = action("echo", n=1)
    topics.produce(source, [(None, echo), (b"", echo), (None, action("raise")), (b"", action("raise")), (b"", echo)])
    with Pod(spec(broker, source)) as pod:
        until(lambda: topics.committed(pod.config.group_id, source) == {0: 5}, 60)
        assert Counter(answer.key() for answer in topics.read_all(f"{source}.out")) == {None: 1, b"": 2}
        assert Counter(letter.key() for letter in topics.read_all(f"{source}.dlq")) == {None: 1, b"": 1}
        pod.stop()


@pytest.mark.parametrize(("policy", "outcome"), [("Pass", "dead_lettered"), ("Skip", "filtered")])
def test_tombstones_reach_the_function_or_are_skipped(
    broker: HostBroker, topics: Topics, policy: str, outcome: str
) -> None:
    source = topics.create(1)
    topics.produce(source, [(b"k", None), (b"k", action("tombstone"))])
    with Pod(spec(broker, source, source={"tombstones": policy})) as pod:
        until(lambda: topics.committed(pod.config.group_id, source) == {0: 2}, 60)
        pod.wait_outcomes(**{outcome: 1, "succeeded": 1})
        assert [answer.value() for answer in topics.read_all(f"{source}.out")] == [None]
        pod.stop()


def test_headers_of_responses(broker: HostBroker, topics: Topics) -> None:
    trace = [("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), ("tracestate", b"vendor=1")]
    own = ("own", b"1")
    for policy in ("None", "Source", "All"):
        source = topics.create(1)
        topics.produce(source, numbered(1), headers=[*trace, own])
        with Pod(spec(broker, source, response={"topic": f"{source}.out", "headers": policy})) as pod:
            (answer,) = topics.read(f"{source}.out", 1)
            pod.stop()
        headers = answer.headers()
        assert headers[:2] == trace
        assert (own in headers) == (policy != "None")
        assert (("kafkatrigger.source.topic", source.encode()) in headers) == (policy == "All")


def test_several_responses_and_one_that_goes_elsewhere(broker: HostBroker, topics: Topics) -> None:
    source = topics.create(1)
    topics.create_named(f"{source}.out", 3)
    topics.produce(source, [(b"s", action("several", count=5)), (b"e", action("elsewhere")), (b"f", action("filter"))])
    with Pod(spec(broker, source)) as pod:
        until(lambda: topics.committed(pod.config.group_id, source) == {0: 3}, 60)
        answers = topics.read_all(f"{source}.out")
        pod.wait_outcomes(succeeded=2, filtered=1)
        pod.stop()
    assert [orjson.loads(each.value()) for each in answers if each.key() == b"s"] == list(range(5))
    (elsewhere,) = (each for each in answers if each.key() != b"s")
    assert (elsewhere.key(), elsewhere.partition(), elsewhere.headers()) == (b"elsewhere", 0, [("h", b"1")])


COUNT = 300


def test_large_messages_stay_within_the_buffer(broker: HostBroker, topics: Topics) -> None:
    source = topics.create(2)
    padding = "x" * 900_000  # 270 MB in all
    topics.produce(source, [(b"k%d" % (n % 7), action("echo", n=n, pad=padding)) for n in range(COUNT)])
    with Pod(spec(broker, source, delivery={"maxBufferedBytes": "4Mi"})) as pod:
        until(lambda: sum(topics.committed(pod.config.group_id, source).values()) == COUNT, 120)
        memory = pod.memory
        pod.stop()
    assert topics.count(f"{source}.out") == COUNT
    assert memory < 160 * 1024 * 1024, f"{memory / 2**20:.0f} MiB at most"


def test_at_rest_a_consumer_is_small(broker: HostBroker, topics: Topics) -> None:
    source = topics.create(1)
    with Pod(spec(broker, source)) as pod:
        pod.wait_ready()
        topics.produce(source, numbered(10))
        topics.read(f"{source}.out", 10)
        assert pod.memory < 60 * 1024 * 1024, f"{pod.memory / 2**20:.0f} MiB"
        pod.stop()
