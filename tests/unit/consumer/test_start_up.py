"""A consumer that is asked to end while it still starts."""

import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from kafkatrigger.api.configure import consumer_config
from kafkatrigger.api.resources import KafkaTriggerSpec
from tests.support.waiting import until


@pytest.mark.parametrize("guarantee", ["AtLeastOnce", "ExactlyOnce"])
def test_an_end_that_is_asked_for_during_the_imports_is_a_clean_one(tmp_path: Path, guarantee: str) -> None:
    """As soon as the Kafka client's library is mapped, most of what the process imports is still to come."""
    spec = {
        "kafka": {"bootstrapServers": ["127.0.0.1:9"]},
        "source": {"topics": ["t"]},
        "transformation": {"function": "none:none"},
        "delivery": {"guarantee": guarantee},
    }
    config = tmp_path / "consumer.json"
    config.write_bytes(msgspec.json.encode(consumer_config("tests", "t", KafkaTriggerSpec.model_validate(spec))))
    sockets = ["--socket", str(tmp_path / "runtime.sock"), "--control", str(tmp_path / "control.sock")]
    command = [sys.executable, "-m", "kafkatrigger.consumer", "--config", str(config), *sockets, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            until(lambda: "rdkafka" in Path(f"/proc/{process.pid}/maps").read_text(), 60, "the client's library")
            process.send_signal(signal.SIGTERM)
            output, _ = process.communicate(timeout=20)
        finally:
            process.kill()
    assert process.returncode == 0, output.decode()
