"""Traces: where the spans of executions go, and of which messages there are some."""

import re

from pydantic import Field, field_validator

from kafkatrigger.api.schema import Model, refuse_unless

_ENDPOINT = r"^https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[A-Za-z0-9._~%/-]*)?$"
_SENTENCE = (
    "tracing.endpoint is the address of an OTLP receiver for HTTP, such as http://otel-collector.observability:4318: http or "
    "https, a host, perhaps a port and a path; no user, password or query"
)
_PATH = "/v1/traces"
_TWICE = f"tracing.endpoint is the receiver's address without {_PATH}, which is appended: remove that"


class Tracing(Model):
    """Spans of executions for OpenTelemetry, and the trace of a message goes on in its response."""

    enabled: bool = Field(default=True, description="false switches off what the chart's defaults switch on.")
    endpoint: str | None = Field(
        default=None,
        max_length=1024,
        description="Address of an OTLP receiver for HTTP, such as http://otel-collector.observability:4318; /v1/traces is "
        "appended. May come from the chart's defaults.",
        json_schema_extra={
            "rules": [
                [f"self.matches(r'{_ENDPOINT}')", _SENTENCE],
                [f"!self.matches('{_PATH}/*$')", _TWICE],
            ]
        },
    )
    sampling_ratio: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="Share of the messages without a trace context that begin a trace, evenly over each partition. A message "
        "with one is traced if its context says so.",
    )

    @property
    def receiver(self) -> str | None:
        """Where spans go; None where there are none."""
        return self.endpoint.rstrip("/") if self.enabled and self.endpoint is not None else None

    @field_validator("endpoint")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        refuse_unless(value is None or bool(re.fullmatch(_ENDPOINT, value)), _SENTENCE)
        refuse_unless(value is None or not value.rstrip("/").endswith(_PATH), _TWICE)
        return value
