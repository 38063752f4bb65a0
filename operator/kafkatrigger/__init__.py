"""kafkatrigger: run a transformation for every message on a Kafka topic, on Kubernetes.

What a transformation needs is importable from here and nothing else is::

    from kafkatrigger import Failure, Message, Permanent, Result, Retriable, batch
"""

from kafkatrigger.runtime.function import Failure, Message, Permanent, Result, Retriable, batch

__all__ = ["Failure", "Message", "Permanent", "Result", "Retriable", "batch"]
