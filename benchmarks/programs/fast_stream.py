"""The same work with FastStream, as its documentation writes it: acknowledged after the response is.

python fast_stream.py BOOTSTRAP SOURCE TARGET GROUP AtLeastOnce LINGER_MS
"""

import asyncio
import logging
import sys
from typing import Any

from faststream import AckPolicy, FastStream
from faststream.confluent import KafkaBroker, KafkaMessage


def application(bootstrap: str, source: str, target: str, group: str, linger: int) -> FastStream:
    """One subscriber that publishes under the source's key."""
    broker = KafkaBroker(bootstrap, linger_ms=linger, enable_idempotence=True, log_level=logging.DEBUG)

    @broker.subscriber(source, group_id=group, auto_offset_reset="earliest", ack_policy=AckPolicy.NACK_ON_ERROR)  # type: ignore[untyped-decorator]
    async def handle(value: dict[str, Any], message: KafkaMessage) -> None:
        value["result"] = value["value"] * 2
        raw = message.raw_message
        assert not isinstance(raw, tuple)
        await broker.publish(value, target, key=raw.key())

    return FastStream(broker)


if __name__ == "__main__":
    bootstrap, source, target, group, guarantee, linger = sys.argv[1:]
    assert guarantee == "AtLeastOnce", "FastStream has no transactions"
    asyncio.run(application(bootstrap, source, target, group, int(linger)).run())
