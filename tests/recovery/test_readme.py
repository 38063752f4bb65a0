"""The README's commands, run as they stand there."""

import re
import subprocess

import pytest
from confluent_kafka.admin import AdminClient

from tests.cluster.kubectl import Kubectl
from tests.cluster.provider import Provider
from tests.support.docs import README, ROOT, Command, commands
from tests.support.release import DEFAULT, Release

MARK = "--- end of a command ---"
TOPICS = ["numbers", "doubled", "default.double.dlq"]
GROUP = "default.double"


@pytest.fixture
def nothing_installed(cluster: Provider, release: Release, bootstrap: str) -> None:
    """As the README finds a new cluster: without an operator, without its topics."""
    if not cluster.is_native:
        pytest.skip("the README names the native cluster's address")
    DEFAULT.uninstall()
    Kubectl()("delete", "kt/double", "configmap/functions", "--ignore-not-found")
    admin = AdminClient({"bootstrap.servers": bootstrap})
    there = admin.list_topics(timeout=10).topics
    for deleted in admin.delete_topics([topic for topic in TOPICS if topic in there] or ["-"]).values():
        deleted.exception()
    admin.delete_consumer_groups([GROUP])[GROUP].exception()


@pytest.mark.usefixtures("nothing_installed")
def test_the_commands_do_what_the_readme_shows() -> None:
    shown = [command for name in ("prepare", "install", "first trigger") for command in commands(README, name)]
    assert len(shown) > 10
    for command, output in zip(shown, _run(shown), strict=True):
        if command.output:
            assert _words(output) == _words(command.output), f"{command.where}: {command.text}"


def _run(shown: list[Command]) -> list[str]:
    """The output of each command, all run by one shell."""
    script = "\n".join(["set -e", *(f"{command.text}\necho '{MARK}'" for command in shown)])
    done = subprocess.run(["bash"], input=script, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.split(f"{MARK}\n")[:-1]


def _words(output: str) -> list[str]:
    """Without what differs from time to time: ages, widths and lag."""
    lag, after = output.find("LAG"), output.find("REPLICAS")
    if 0 <= lag < after:  # a table with these columns
        output = "\n".join(line[:lag] + line[after:] for line in output.splitlines())
    return [re.sub(r"^\d+[sm](\d+s)?$", "AGE", word) for word in output.split()]
