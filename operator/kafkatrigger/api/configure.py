"""From what a person wrote to what a consumer reads: a trigger's spec as its pods' configuration. Pure."""

import re
from typing import Any

import msgspec

from kafkatrigger.api.adapters import AdapterSettings
from kafkatrigger.api.consumer_config import BreakerPolicy, ConsumerConfig, RetryPolicy, TopicSettings, TracingPolicy
from kafkatrigger.api.delivery import MAX_BYTES, Breaker
from kafkatrigger.api.quantities import quantity_bytes, seconds
from kafkatrigger.api.resources import KafkaTriggerSpec
from kafkatrigger.api.start_policy import StartPolicy, mounted_timestamps
from kafkatrigger.api.tracing import Tracing
from kafkatrigger.api.transforming import Transforming, WiredInput, WiredOutput
from kafkatrigger.api.trigger_transformation import REQUESTABLE, InputWiring, Transformation, Wired, Wiring

_LONGEST_TOPIC = 249
_REDRIVE = ".redrive"


def start_policy(spec: KafkaTriggerSpec) -> StartPolicy:
    """The start policy of a trigger."""
    source = spec.source
    return StartPolicy(str(source.initial_offset_reset_policy), source.partition_timestamps)


def group_id(namespace: str, name: str, spec: KafkaTriggerSpec, prefix: str = "") -> str:
    """The consumer group of a trigger: computed, never written into the spec."""
    return spec.source.group_id or f"{prefix}{namespace}.{name}"


def redrive_topic(group: str) -> str:
    """The topic of dead letters that are to run again; characters of the group that no topic can have become `_`."""
    return f"{re.sub(r'[^a-zA-Z0-9._-]', '_', group)[: _LONGEST_TOPIC - len(_REDRIVE)]}{_REDRIVE}"


def consumer_config(namespace: str, name: str, spec: KafkaTriggerSpec, group_prefix: str = "") -> ConsumerConfig:
    """The configuration of a trigger's consumers."""
    group = group_id(namespace, name, spec, group_prefix)
    source, delivery, response = spec.source, spec.delivery, spec.response
    largest = quantity_bytes(response.max_bytes if response else MAX_BYTES)
    return ConsumerConfig(
        namespace=namespace,
        name=name,
        bootstrap_servers=spec.kafka.bootstrap_servers,
        connection_options=spec.kafka.options,
        group_id=group,
        group_protocol=source.group_protocol,
        topics=source.topics,
        topic_pattern=source.topic_pattern or "",
        source_options=source.options,
        function=spec.transformation.function or "",
        value_format=source.format.value,
        key_format=source.format.key,
        skip_tombstones=source.tombstones == "Skip",
        filter=source.filter or "",
        ordering=delivery.ordering,
        max_in_flight=delivery.max_in_flight,
        max_buffered_bytes=quantity_bytes(delivery.max_buffered_bytes),
        timeout=seconds(delivery.timeout),
        retry=RetryPolicy(
            attempts=delivery.retry.attempts,
            initial_delay=seconds(delivery.retry.initial_delay),
            factor=delivery.retry.factor,
            max_delay=seconds(delivery.retry.max_delay),
            jitter=delivery.retry.jitter,
        ),
        guarantee=delivery.guarantee,
        on_failure=delivery.on_failure,
        breaker=_breaker(delivery.breaker),
        dead_letter=TopicSettings(delivery.dead_letter.topic or f"{group}.dlq", delivery.dead_letter.create, largest),
        redrive_topic=redrive_topic(group),
        response=TopicSettings(response.topic, response.create, largest) if response else None,
        response_headers=response.headers if response else "None",
        drain=spec.grace_period_seconds - 10,
        partition_timestamps=mounted_timestamps(start_policy(spec)),
        tracing=_tracing(spec.tracing),
        transforming=_transforming(spec.transformation),
        output_topics=[
            TopicSettings(topic, response.create if response else True, largest) for topic in spec.transformation.topics
        ],
    )


def _transforming(said: Transformation) -> Transforming | None:
    """How transformations run; None for a function."""
    if said.function is not None:
        return None
    wiring, request = said.wiring or Wiring(), said.request
    selector = request.selector.match_labels if request and request.selector else REQUESTABLE
    return Transforming(
        mode=request.form if request else "Stream",
        ref=said.ref.name if said.ref else "",
        version_tag=said.ref.version_tag or "" if said.ref else "",
        selector=selector if request else {},
        inputs=tuple(_input(each) for each in wiring.inputs),
        outputs=tuple(WiredOutput(topic=each.topic or "", **_wired(each)) for each in wiring.outputs),
        topics=tuple(said.topics),
        adapters=tuple(AdapterSettings(each.name, each.type, each.options) for each in said.adapters),
    )


def _input(said: InputWiring) -> WiredInput:
    return WiredInput(
        expression=said.expression or "",
        value=said.value if said.has_value else msgspec.UNSET,
        use_default=bool(said.use_default),
        **_wired(said),
    )


def _wired(said: Wired) -> dict[str, Any]:
    return {
        "name": said.name,
        "adapter": said.adapter or "",
        "ref_id": said.ref_id,
        "ref_id_type": said.ref_id_type,
        "ref_key": said.ref_key,
        "type": said.type,
        "filters": said.filters,
    }


def _breaker(breaker: Breaker) -> BreakerPolicy | None:
    if not breaker.enabled:
        return None
    return BreakerPolicy(
        window=seconds(breaker.window),
        minimum_messages=breaker.minimum_messages,
        minimum_keys=breaker.minimum_keys,
        failure_ratio=breaker.failure_ratio,
    )


def _tracing(tracing: Tracing | None) -> TracingPolicy | None:
    if tracing is None or tracing.receiver is None:
        return None
    return TracingPolicy(tracing.receiver, tracing.sampling_ratio)
