"""Topics that refuse writes: what is to be written to them waits here, in order, and everything else goes on."""

import logging
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future

import msgspec
from confluent_kafka import KafkaError

from kafkatrigger.consumer import verdicts
from kafkatrigger.consumer.output import Output
from kafkatrigger.consumer.probe import Probe

log = logging.getLogger(__name__)

FIRST_PAUSE = 0.2
LONGEST_PAUSE = 30.0
"""Seconds between two probes."""


class _Refusing(msgspec.Struct, eq=False):
    """A topic that refuses writes."""

    sentence: str
    probe_at: float
    by_fault: bool
    """It refused a record that cannot be made smaller: that it takes others says nothing."""
    pause: float = FIRST_PAUSE
    outputs: deque[Output] = msgspec.field(default_factory=deque)
    probing: Output | None = None
    answer: "Future[KafkaError | None] | None" = None


class Holding:
    """What waits for topics that refuse writes. `held` is called for each record when its wait begins."""

    def __init__(self, probe: Probe, held: Callable[[Output], None]) -> None:
        self._probe = probe
        self._held = held
        self._topics: dict[str, _Refusing] = {}

    def __contains__(self, topic: str) -> bool:
        return topic in self._topics

    def has_to_wait(self, output: Output) -> bool:
        """Whether a topic takes no records that its message goes to: what answers one message waits together."""
        return self._topic_of(output) is not None

    def _topic_of(self, output: Output) -> str | None:
        """The topic that it waits for. All records of a message wait for the same."""
        return next((topic for topic in output.topics if topic in self._topics), None) if self._topics else None

    def __iter__(self) -> Iterator[Output]:
        for topic in self._topics.values():
            yield from topic.outputs

    @property
    def problems(self) -> dict[str, str]:
        """What is wrong with each topic, and what to do."""
        return {name: topic.sentence for name, topic in self._topics.items()}

    def refuse(self, name: str, error: KafkaError, now: float, by_fault: bool = False) -> None:
        """The topic takes no records for now."""
        topic = self._topics.get(name)
        if topic is None:
            text = verdicts.sentence(name, error)
            self._topics[name] = _Refusing(text, now + FIRST_PAUSE, by_fault)
            log.warning("%s", text)
        else:
            topic.by_fault = topic.by_fault or by_fault

    def hold(self, output: Output) -> None:
        """The record waits until the topic takes records again."""
        self._topics[self._topic_of(output) or output.topic].outputs.append(output)
        if not output.awaited:
            output.awaited = True
            self._held(output)

    def pump(self, now: float) -> list["Recovered"]:
        """Probes what is due; the topics that take records again, with what waited for them."""
        recovered = []
        over = [name for name, topic in self._topics.items() if topic.answer is None and self._is_over(name, topic)]
        for name in over:
            del self._topics[name]
        for name, topic in list(self._topics.items()):
            if topic.answer is not None:
                if topic.answer.done() and (result := self._answered(name, topic, topic.answer.result(), now)):
                    recovered.append(result)
            elif now >= topic.probe_at and topic.outputs:
                topic.probing = next((output for output in topic.outputs if output.topic == name), None)
                if topic.probing is not None:
                    topic.answer = self._probe(topic.probing)
                else:  # what was to be written to it was written: the rest of the message is not its business
                    del self._topics[name]
                    recovered.append(Recovered(list(topic.outputs), None))
        return recovered

    def _is_over(self, name: str, topic: _Refusing) -> bool:
        """Whether nothing waits for it: neither here, nor with what waits for another topic first."""
        return not topic.outputs and not any(name in output.topics for output in self)

    def _answered(self, name: str, topic: _Refusing, error: KafkaError | None, now: float) -> "Recovered | None":
        topic.answer = None
        if error is None or (topic.probing and verdicts.is_own_fault(topic.probing, error) and not topic.by_fault):
            del self._topics[name]
            log.warning("the topic %s takes records again", name)
            return Recovered(list(topic.outputs), topic.probing if error is None else None)
        topic.pause = min(2 * topic.pause, LONGEST_PAUSE)
        topic.probe_at = now + topic.pause
        if not verdicts.is_consequence(error):
            topic.sentence = verdicts.sentence(name, error)
        return None

    def drop_revoked(self) -> list[Output]:
        """Forgets what waits for partitions that were given up, and says what that was."""
        dropped = [output for output in self if output.partition.revoked]
        for topic in self._topics.values():
            topic.outputs = deque(output for output in topic.outputs if not output.partition.revoked)
        return dropped


class Recovered(msgspec.Struct, eq=False):
    """A topic that takes records again."""

    outputs: list[Output]
    """What waited, in its order."""
    probed: Output | None
    """The record that was taken."""
