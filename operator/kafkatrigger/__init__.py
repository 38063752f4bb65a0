"""kafkatrigger: run a transformation for every message on a Kafka topic, on Kubernetes.

What a transformation needs is importable from here and nothing else is::

    from kafkatrigger import Message, Permanent, Result, Retriable
"""

from kafkatrigger.runtime.function import Message, Permanent, Result, Retriable

__all__ = ["Message", "Permanent", "Result", "Retriable"]
