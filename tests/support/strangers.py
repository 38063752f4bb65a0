"""Consumers of somebody else."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import Consumer

from kafkatrigger.kafka import client


@contextmanager
def member(
    bootstrap: str, group: str, topic: str, client_id: str = "stranger", protocol: str = "Consumer"
) -> Iterator[threading.Event]:
    """A member of the group, which takes partitions, commits nothing, and lets go of them at its end.

    Once the event is set it polls no more, so that it comes to no rebalance, though the broker hears of it.
    """
    settings = {"bootstrap.servers": bootstrap, "client.id": client_id, "group.id": group}
    consumer = Consumer({**client.group_protocol(protocol), **settings, "enable.auto.commit": False})
    consumer.subscribe([topic])
    done, hangs = threading.Event(), threading.Event()

    def poll() -> None:
        while not done.is_set():
            if hangs.is_set():
                done.wait()
            else:
                consumer.consume(100, 0.1)

    thread = threading.Thread(target=poll)
    thread.start()
    try:
        yield hangs
    finally:
        done.set()
        thread.join()
        consumer.close()
