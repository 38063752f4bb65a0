"""librdkafka's own broker, inside this process: good enough to try a trigger, and gone with it."""

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from kafkatrigger.kafka.topics import METADATA_TIMEOUT


class EmbeddedBroker:
    """A broker on a loopback port. Keeps messages in memory, knows groups and transactions, makes topics when asked for."""

    def __init__(self) -> None:
        # The cluster lives as long as the client that started it.
        self._host = Producer({"bootstrap.servers": "embedded", "test.mock.num.brokers": 1, "log_level": 3})
        brokers = self._host.list_topics(timeout=METADATA_TIMEOUT).brokers.values()
        self.bootstrap = ",".join(f"{broker.host}:{broker.port}" for broker in brokers)

    def create(self, topic: str) -> None:
        """It knows no CreateTopics: a topic comes to be when its metadata is asked for."""
        AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 3}).list_topics(topic, timeout=METADATA_TIMEOUT)
