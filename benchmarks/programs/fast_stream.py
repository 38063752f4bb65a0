"""The same work with FastStream, in batches: with one message at a time it commits for each and does 145 a second.

python fast_stream.py BOOTSTRAP SOURCE TARGET GROUP AtLeastOnce LINGER_MS
"""

import asyncio
import logging
import sys
from typing import Any

from faststream import AckPolicy, FastStream
from faststream.confluent import KafkaBroker, KafkaMessage, KafkaPublishMessage

BATCH = 500


def application(bootstrap: str, source: str, target: str, group: str, linger: int) -> FastStream:
    """One subscriber that publishes under the source's keys, and commits when all of a batch is acknowledged."""
    broker = KafkaBroker(bootstrap, linger_ms=linger, enable_idempotence=True, log_level=logging.DEBUG)

    @broker.subscriber(  # type: ignore[untyped-decorator]
        source,
        group_id=group,
        auto_offset_reset="earliest",
        ack_policy=AckPolicy.NACK_ON_ERROR,
        batch=True,
        max_records=BATCH,
    )
    async def handle(values: list[dict[str, Any]], message: KafkaMessage) -> None:
        results = []
        for value, source in zip(values, message.raw_message, strict=True):
            value["result"] = value["value"] * 2
            results.append(KafkaPublishMessage(value, key=source.key()))
        await broker.publish_batch(*results, topic=target)

    return FastStream(broker)


if __name__ == "__main__":
    bootstrap, source, target, group, guarantee, linger = sys.argv[1:]
    assert guarantee == "AtLeastOnce", "FastStream has no transactions"
    asyncio.run(application(bootstrap, source, target, group, int(linger)).run())
