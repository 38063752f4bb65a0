"""Consumers of somebody else."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import Consumer

from kafkatrigger.kafka import client


@contextmanager
def member(
    bootstrap: str, group: str, topic: str, client_id: str = "stranger", protocol: str = "Consumer"
) -> Iterator[None]:
    """A member of the group, which takes partitions, commits nothing, and lets go of them at its end."""
    settings = {"bootstrap.servers": bootstrap, "client.id": client_id, "group.id": group}
    consumer = Consumer({**client.group_protocol(protocol), **settings, "enable.auto.commit": False})
    consumer.subscribe([topic])
    done = threading.Event()

    def poll() -> None:
        while not done.is_set():
            consumer.consume(100, 0.1)

    thread = threading.Thread(target=poll)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        consumer.close()
