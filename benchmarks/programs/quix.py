"""The same work with Quix Streams, as its documentation writes it.

python quix.py BOOTSTRAP SOURCE TARGET GROUP AtLeastOnce|ExactlyOnce LINGER_MS
"""

import sys
from typing import Any

from quixstreams import Application

GUARANTEES = {"AtLeastOnce": ("at-least-once", 1.0), "ExactlyOnce": ("exactly-once", 0.1)}
"""Its name of the guarantee, and the seconds between commits."""


def transform(value: dict[str, Any]) -> dict[str, Any]:
    """Adds a field."""
    value["result"] = value["value"] * 2
    return value


def main(bootstrap: str, source: str, target: str, group: str, guarantee: str, linger: str) -> None:
    """Runs until SIGTERM."""
    name, interval = GUARANTEES[guarantee]
    app = Application(
        broker_address=bootstrap,
        consumer_group=group,
        auto_offset_reset="earliest",
        processing_guarantee=name,
        commit_interval=interval,
        auto_create_topics=False,
        consumer_poll_timeout=0.05,
        consumer_extra_config={"fetch.queue.backoff.ms": 10},
        producer_extra_config={"linger.ms": int(linger), "batch.size": 1_000_000, "retry.backoff.ms": 1},
        loglevel="WARNING",
    )
    frame = app.dataframe(app.topic(source, key_deserializer="bytes", value_deserializer="json"))
    frame.apply(transform).to_topic(app.topic(target, key_serializer="bytes", value_serializer="json"))
    app.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
