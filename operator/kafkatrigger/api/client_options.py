"""The librdkafka properties that a trigger may set: one table for schema, checks and documentation.

An allowlist of tuning knobs. Nothing here names a file, a library, a URL, a credential or a callback, decides which broker
is spoken to, or touches what the delivery engine owns (commits, positions, assignment, idempotence).
Source of names and meaning: librdkafka's CONFIGURATION.md.
"""

CONNECTION_OPTIONS: dict[str, str] = {
    "broker.address.family": "Which addresses of a broker's name to use: any, v4 or v6.",
    "client.dns.lookup": "use_all_dns_ips tries every address of a name, resolve_canonical_bootstrap_servers_only expands aliases.",
    "client.rack": "Rack of this client, so that it fetches from the closest replica.",
    "connections.max.idle.ms": "Close a broker connection after this idle time in milliseconds.",
    "metadata.max.age.ms": "How old cluster metadata may become, in milliseconds.",
    "reconnect.backoff.max.ms": "Longest wait between two attempts to reconnect, in milliseconds.",
    "reconnect.backoff.ms": "First wait before reconnecting to a broker, in milliseconds.",
    "request.timeout.ms": "How long a broker may take to acknowledge a produced batch, in milliseconds.",
    "socket.connection.setup.timeout.ms": "How long setting up a connection may take, in milliseconds.",
    "socket.keepalive.enable": "TCP keep-alive on broker connections: true or false.",
    "socket.timeout.ms": "How long a network request may take, in milliseconds.",
}

SOURCE_OPTIONS: dict[str, str] = {
    "fetch.error.backoff.ms": "Wait after a failed fetch of a partition, in milliseconds.",
    "fetch.max.bytes": "Most bytes a broker returns for one fetch.",
    "fetch.message.max.bytes": "First size of a partition's fetch, in bytes.",
    "fetch.min.bytes": "Least bytes a broker waits for before it answers a fetch.",
    "fetch.queue.backoff.ms": "Wait before fetching again while the queue is full, in milliseconds.",
    "fetch.wait.max.ms": "How long a broker may wait for fetch.min.bytes, in milliseconds.",
    "heartbeat.interval.ms": "Interval of heartbeats under the classic protocol, in milliseconds.",
    "max.partition.fetch.bytes": "Most bytes of one partition in one fetch.",
    "max.poll.interval.ms": "Longest time between two polls before the member is expelled, in milliseconds.",
    "queued.max.messages.kbytes": "Most kibibytes fetched ahead, over all partitions.",
    "queued.min.messages": "How many messages to fetch ahead for each partition.",
    "session.timeout.ms": "After this silence a member is dead, under the classic protocol, in milliseconds.",
}
