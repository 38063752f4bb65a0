"""Messages that run again after a redrive are to everybody else what they were before."""

from kafkatrigger.api.configure import redrive_topic
from tests.cluster.broker import HostBroker
from tests.integration.consumer.triggers import action, spec
from tests.support.pipeline import Pod
from tests.support.topics import Topics

FIRST = 1_760_000_000_000
"""Timestamp of the message."""
OWN = [("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), ("own", b"1")]


def _copy_headers(source: str) -> list[tuple[str, bytes]]:
    place = {"topic": source.encode(), "partition": b"0", "offset": b"7", "timestamp": b"%d" % FIRST}
    marks = [("kafkatrigger.redrive.request", b"r"), ("kafkatrigger.redrive.letter", b"dlq-0-0")]
    return [*OWN, *((f"kafkatrigger.source.{name}", content) for name, content in place.items()), *marks]


def test_no_sign_of_a_redrive_leaves_the_trigger(broker: HostBroker, topics: Topics) -> None:
    for policy in ("None", "Source", "All"):
        source = topics.create(1)
        group = f"g.{source}"
        topics.create_named(redrive_topic(group), 1)
        copies = [
            (b"k", action("when", n=1)),
            (b"k", action("raise", n=2)),
            (b"k", action("fail-until", n=3, attempt=2)),
        ]
        topics.produce(redrive_topic(group), copies, headers=_copy_headers(source))
        response = {"topic": f"{source}.out", "headers": policy}
        with Pod(spec(broker, source, source={"groupId": group}, response=response)) as pod:
            first, second = topics.read(f"{source}.out", 2)
            (letter,) = topics.read(f"{source}.dlq", 1)
            pod.stop()
        assert first.value() == b"%d" % FIRST
        wanted = {"None": OWN[:1], "Source": OWN, "All": _copy_headers(source)[:-2]}[policy]
        assert first.headers() == second.headers() == wanted
        assert letter.timestamp()[1] == FIRST
        assert letter.headers()[: len(OWN) + 6] == _copy_headers(source), "it can be redriven again"
