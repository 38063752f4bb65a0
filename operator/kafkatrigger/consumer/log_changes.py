"""What happened to the source's logs without the trigger's doing: told to people, because messages may be lost by it."""

import logging

from kafkatrigger.consumer.partition import Partition

log = logging.getLogger(__name__)


class LogChanges:
    """The offsets that were lost so far, and a sentence about the latest change."""

    def __init__(self) -> None:
        self.lost = 0
        self.sentence = ""

    def removed(self, partition: Partition, offset: int, low: int) -> None:
        """The log begins at `low` by now, and `offset` was to be read next."""
        self.lost += low - offset
        self._tell(
            partition,
            offset,
            f"offset {offset} was removed before it was read, so {low - offset} offsets are lost: continuing at {low}; keep "
            "messages longer (retention.ms, retention.bytes of the topic) than consuming may stand still",
        )

    def truncated(self, partition: Partition, offset: int) -> None:
        """It ended before what was read already; `offset` is read next."""
        self._tell(
            partition,
            offset,
            f"the brokers lost messages at the end of the log that were read already: continuing at {offset}; see whether "
            "unclean.leader.election.enable is set for the topic",
        )

    def recreated(self, partition: Partition, offset: int) -> None:
        """It is the log of another topic of the same name, which begins at `offset`."""
        self._tell(
            partition,
            offset,
            f"the topic was deleted and made anew, so it is read from its beginning (offset {offset})",
        )

    def _tell(self, partition: Partition, offset: int, what: str) -> None:
        self.sentence = f"{partition.name}: {what}"
        log.error("%s", self.sentence, extra=partition.facts(offset))
