"""What downloads need on this machine, for builds inside images: its certificates and its pip configuration."""

import configparser
import os
from pathlib import Path

from .settings import CACHE

CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_PIP_FILES = (Path("/etc/pip.conf"), Path.home() / ".config/pip/pip.conf", Path.home() / ".pip/pip.conf")
# Those that say where and how to download; others speak of paths of this machine.
_PIP_OPTIONS = ("index-url", "extra-index-url", "trusted-host", "timeout", "retries", "proxy")


def mounts() -> dict[Path, str]:
    """Files of this machine, and where builds see them."""
    found = {pip_configuration(): "/etc/pip.conf"}
    if bundle := _bundle():
        found[bundle] = str(CERTIFICATES)
    return found


def _bundle() -> Path | None:
    named = [os.environ.get(name) for name in ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE")]
    candidates = [Path(name) for name in named if name] + [CERTIFICATES]
    return next((path.resolve() for path in candidates if path.is_file()), None)


def pip_configuration() -> Path:
    """Pip's configuration files and environment variables, merged into one file."""
    found = configparser.RawConfigParser()
    found.read([path for path in _PIP_FILES if path.is_file()])
    merged = configparser.RawConfigParser()
    merged["global"] = {option: value for option in _PIP_OPTIONS if (value := _pip_option(found, option))}
    path = CACHE / "pip.conf"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        merged.write(file)
    return path


def _pip_option(found: configparser.RawConfigParser, option: str) -> str | None:
    variable = f"PIP_{option.upper().replace('-', '_')}"
    return os.environ.get(variable) or found.get("global", option, fallback=None)
