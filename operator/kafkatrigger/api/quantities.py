"""Durations and byte quantities as Kubernetes users write them."""

import re

DURATION_PATTERN = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"
BYTES_PATTERN = r"^[0-9]+(Ki|Mi|Gi|k|M|G)?$"

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_BYTES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


def seconds(text: str) -> float:
    """Seconds of a duration in Go's notation, such as `200ms`, `30s` or `1h30m`; ValueError for anything else."""
    if not re.fullmatch(DURATION_PATTERN, text):
        raise ValueError(f"{text!r} is not a duration: write for instance 200ms, 30s or 1h30m")
    return sum(float(number) * _SECONDS[unit] for number, _, unit in re.findall(r"([0-9]+(\.[0-9]+)?)(ms|s|m|h)", text))


def quantity_bytes(text: str) -> int:
    """Bytes of a quantity such as `64Mi`, `1G` or `500`; ValueError for anything else."""
    match = re.fullmatch(r"([0-9]+)(Ki|Mi|Gi|k|M|G)?", text)
    if not match:
        raise ValueError(f"{text!r} is not a number of bytes: write for instance 64Mi, 1G or 500k")
    return int(match[1]) * _BYTES[match[2] or ""]
