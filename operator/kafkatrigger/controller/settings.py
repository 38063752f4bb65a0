"""The operator's settings: one YAML file, which the chart writes."""

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

SETTINGS_PATH = "/etc/kafkatrigger/operator.yaml"


class SettingsError(Exception):
    """The file cannot be read or is wrong; the message says where and what to do."""


class Part(BaseModel):
    """Base of every part: camelCase outside, unknown fields refused."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


class Image(Part):
    """An image that the operator puts into pods."""

    image: str
    pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = None


class Proxy(Part):
    """Proxy variables of the runtime container."""

    http_proxy: str = ""
    https_proxy: str = ""
    no_proxy: str = ""


class Log(Part):
    """How pods log; the operator's own Deployment has the same in its environment."""

    format: Literal["text", "json"] = "text"
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"


class Settings(Part):
    """All settings."""

    consumer: Image
    runtime: Image
    """The runtime of triggers that name no image."""
    transformation_reader: str = "kafkatrigger-transformations"
    """The role that lets pods read Transformations: the chart's, a ClusterRole, or a Role in each watched namespace."""
    image_pull_secrets: list[str] = Field(default_factory=list)
    group_id_prefix: str = ""
    defaults: dict[str, Any] = Field(default_factory=dict)
    """Merged under the spec of every trigger."""
    watch_namespaces: list[str] = Field(default_factory=list)
    """Empty: all."""
    proxy: Proxy = Field(default_factory=Proxy)
    log: Log = Field(default_factory=Log)
    reconcilers: int = Field(default=16, ge=1, le=64)
    """Triggers reconciled at a time, and threads that call the Kubernetes API."""
    health_port: int = 8080
    metrics_port: int = 9090

    @property
    def reader_kind(self) -> str:
        """What `transformation_reader` is."""
        return "Role" if self.watch_namespaces else "ClusterRole"


def load(path: Path) -> Settings:
    """The settings of a file; SettingsError where it is unreadable or wrong."""
    try:
        return Settings.model_validate(yaml.safe_load(path.read_text()) or {})
    except OSError as error:
        raise SettingsError(
            f"cannot read the settings {path}: {error.strerror}. The chart mounts them there; else pass --settings"
        ) from error
    except yaml.YAMLError as error:
        raise SettingsError(f"{path} is not YAML: {error}") from error
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise SettingsError(f"{path} is wrong: {problems}") from error
