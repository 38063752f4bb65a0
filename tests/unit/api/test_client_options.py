"""The table of options against librdkafka itself: its ranges are the client's, and every value in them makes a client."""

import pytest
from confluent_kafka import Consumer, KafkaException

from kafkatrigger.api.client_options import CLASSIC_ONLY, CONNECTION_OPTIONS, SOURCE_OPTIONS, Option
from kafkatrigger.kafka import client

TABLE = {**CONNECTION_OPTIONS, **SOURCE_OPTIONS}
NUMBERS = {name: option for name, option in TABLE.items() if option.values and isinstance(option.values[0], int)}
# What has to hold between two properties, so that the greatest value of one is accepted.
COMPANIONS = {
    "fetch.wait.max.ms": {"socket.timeout.ms": "300000"},
    "socket.timeout.ms": {"fetch.wait.max.ms": "0"},
    "session.timeout.ms": {"max.poll.interval.ms": "86400000"},
    "max.poll.interval.ms": {"session.timeout.ms": "1"},
    "reconnect.backoff.ms": {"reconnect.backoff.max.ms": "3600000"},
    "reconnect.backoff.max.ms": {"reconnect.backoff.ms": "0"},
}


def connect(name: str, value: str) -> None:
    protocol = client.group_protocol("Classic")
    options = {**COMPANIONS.get(name, {}), name: value}
    Consumer(
        {**protocol, **client.source(client.connection(["localhost:1"], {}), "g", 16 * 2**20, options), "log_level": 0}
    ).close()


@pytest.mark.parametrize(("name", "option"), NUMBERS.items(), ids=list(NUMBERS))
def test_the_ranges_are_those_of_the_client(name: str, option: Option) -> None:
    assert option.values
    least, greatest = int(option.values[0]), int(option.values[1])
    connect(name, str(least))
    connect(name, str(greatest))
    assert option.allows(str(least))
    assert not option.allows(str(greatest + 1))
    with pytest.raises(KafkaException):
        connect(name, str(greatest + 1))
    with pytest.raises(KafkaException):
        connect(name, str(least - 1))


@pytest.mark.parametrize("name", sorted(set(TABLE) - set(NUMBERS)))
def test_every_choice_makes_a_client(name: str) -> None:
    for value in TABLE[name].values or ("rack-1",):
        connect(name, str(value))
        assert TABLE[name].allows(str(value))
    assert TABLE[name].values is None or not TABLE[name].allows("something else")


@pytest.mark.parametrize("name", CLASSIC_ONLY)
def test_the_new_protocol_refuses_what_is_the_brokers(name: str) -> None:
    settings = client.source(client.connection(["localhost:1"], {}), "g", 16 * 2**20, {name: "5000"})
    with pytest.raises(KafkaException):
        Consumer({**client.group_protocol("Consumer"), **settings, "log_level": 0})
