"""Messages that cannot succeed, among others that do."""

import orjson

from tests.support.triggers import Namespace

BAD = {
    "not-json": (b'{"do": ', "InvalidMessage"),
    "raises": (b'{"do": "raise"}', "FunctionFailed"),
    "unserialisable": (b'{"do": "unserialisable"}', "InvalidResult"),
    "never-returns": (b'{"do": "hang"}', "Timeout"),
    "spins": (b'{"do": "spin"}', "Timeout"),
    "exits": (b'{"do": "exit"}', "WorkerCrashed"),
    "segfaults": (b'{"do": "segfault"}', "WorkerCrashed"),
}
GOOD = 100


def test_each_is_a_dead_letter_with_its_reason_and_the_others_go_on(namespace: Namespace) -> None:
    trigger = namespace.unapplied("functions:tell")
    namespace.topic("rul.source")
    quick = {"timeout": "1s", "retry": {"attempts": 2, "initialDelay": "100ms"}}
    trigger.apply(delivery={**trigger.spec["delivery"], **quick}).wait_ready()
    pods = trigger.pod_names()
    good = [(b"k%d" % (n % 7), orjson.dumps({"do": "echo", "n": n})) for n in range(GOOD)]
    bad = [(name.encode(), value) for name, (value, _) in BAD.items()]
    namespace.topics.produce(trigger.source, [*good[:50], *bad, *good[50:]])
    letters = trigger.letters(len(BAD))
    assert sorted(letter.key().decode() for letter in letters) == sorted(BAD)
    for letter in letters:
        value, reason = BAD[letter.key().decode()]
        headers = dict(letter.headers())
        assert letter.value() == value
        assert headers["kafkatrigger.error.reason"] == reason.encode(), headers
        assert headers["kafkatrigger.source.topic"] == trigger.source.encode()
    assert len(trigger.answered(GOOD)) == GOOD
    trigger.wait_committed(GOOD + len(BAD))
    trigger.wait_ready()
    assert (trigger.pod_names(), trigger.restarts()) == (pods, 0)
