"""`kafkatrigger blocked` and `resume`, through kubectl and on this machine."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from kafkatrigger.api.control import ListBlocked, Resume
from kafkatrigger.cli.local import new_run
from kafkatrigger.cli.main import main
from tests.integration.cli.places import Cluster, Engine, blocked


def called(*arguments: str, stdin: str = "") -> Result:
    result = CliRunner().invoke(main, arguments, input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def test_lists_the_keys_of_all_pods(cluster: Cluster) -> None:
    cluster.pod("one", blocked(7, b"a"), blocked(3, b"\xff\x1b[31m"))
    cluster.pod("two", blocked(5, None, partition=1))
    result = called("blocked", "list", "rul", "-n", "plant-7", "--context", "there")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["MESSAGE", "orders-0-3", "orders-0-7", "orders-1-5"]
    assert "\x1b" not in result.stdout
    assert cluster.calls[0][:2] == ["--namespace=plant-7", "--context=there"]
    assert "app.kubernetes.io/instance=rul" in cluster.calls[0][4]


def test_lists_as_json(cluster: Cluster) -> None:
    cluster.pod("one", blocked(7, b"a"), blocked(8, b"\xff"))
    found = json.loads(called("blocked", "list", "rul", "--output", "json").stdout)
    assert [(each["id"], each["consumer"], each["key"]) for each in found] == [
        ("orders-0-7", "one", "a"),
        ("orders-0-8", "one", {"base64": "/w=="}),
    ]


@pytest.mark.parametrize("action", ["retry", "skip", "dead-letter"])
def test_decides_about_what_is_selected(cluster: Cluster, action: str) -> None:
    one = cluster.pod("one", blocked(1, b"a"), blocked(2, b"b", error_class="KeyError"))
    two = cluster.pod("two", blocked(3, b"a", error_class="KeyError"))
    result = called("blocked", action, "rul", "--error", "keyerror", "--yes")
    assert (result.exit_code, result.stdout) == (0, f"{action}: 2 of 2\n")
    assert (one.resolved, two.resolved) == ([(action, 2)], [(action, 3)])
    assert [each.offset for each in one.blocked] == [1]


def test_selects_by_key_time_and_message(cluster: Cluster) -> None:
    one = cluster.pod("one", blocked(1, b"a"), blocked(2, b"b"), blocked(3, b"a"))
    called("blocked", "skip", "rul", "--yes", "--key", "a", "--until", "2025-10-09T08:53:22Z")
    assert one.resolved == [("skip", 1)]
    called("blocked", "skip", "rul", "--yes", "--message", "orders-0-3")
    assert one.resolved == [("skip", 1), ("skip", 3)]


def test_asks_before_it_acts(cluster: Cluster) -> None:
    one = cluster.pod("one", blocked(1))
    result = called("blocked", "skip", "rul", stdin="n\n")
    assert result.exit_code == 1
    assert "1 blocked key to skip, 3 known messages behind them\n  orders-0-1  FunctionFailed" in result.stderr
    assert one.resolved == []
    assert called("blocked", "skip", "rul", stdin="y\n").exit_code == 0
    assert one.resolved == [("skip", 1)]


def test_a_dry_run_only_counts(cluster: Cluster) -> None:
    one = cluster.pod("one", blocked(1), blocked(2))
    result = called("blocked", "retry", "rul", "--dry-run", "--output", "json")
    assert json.loads(result.stdout) == {"action": "retry", "selected": 2, "done": 0}
    assert one.resolved == []


def test_more_keys_than_a_request_takes(cluster: Cluster) -> None:
    one = cluster.pod("one", *(blocked(n) for n in range(2500)))
    assert called("blocked", "retry", "rul", "--yes").exit_code == 0
    assert [offset for _, offset in one.resolved] == list(range(2500))


def test_pods_that_cannot_be_asked_are_named(cluster: Cluster) -> None:
    cluster.pod("one", blocked(1))
    cluster.pod("two", blocked(2))
    cluster.waiting_pod("three")
    cluster.refuse("two")
    result = called("blocked", "list", "rul")
    assert result.exit_code == 3
    assert "two: " in result.stderr
    assert "pod three does not run" in result.stderr
    assert "orders-0-1" in result.stdout


def test_what_was_resolved_meanwhile_is_not_counted(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    one = cluster.pod("one", blocked(1))
    monkeypatch.setattr(one, "_handle", _forgetful(one))
    result = called("blocked", "retry", "rul", "--yes")
    assert (result.exit_code, result.stdout) == (3, "retry: 0 of 1\n")


def _forgetful(engine: Engine) -> object:
    """Between the list and the decision somebody else decided."""
    original = engine._handle

    def handle(request: object) -> object:
        if not isinstance(request, ListBlocked):
            engine.blocked = []
        return original(request)  # type: ignore[arg-type]

    return handle


def test_without_pods_it_says_what_may_be_wrong(cluster: Cluster) -> None:
    result = called("blocked", "list", "rul")
    assert result.exit_code == 1
    assert "no consumer pod of the trigger rul runs" in result.stderr


def test_without_kubectl_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    result = called("blocked", "list", "rul")
    assert (result.exit_code, "kubectl is not installed" in result.stderr) == (1, True)


def test_resume_reaches_all_pods(cluster: Cluster) -> None:
    engines = [cluster.pod("one"), cluster.pod("two")]
    engines[1].stopped = True
    result = called("resume", "rul")
    assert (result.exit_code, result.stdout) == (0, "resumed 1 consumer\n")
    assert [each.seen for each in engines] == [[Resume()], [Resume()]]


def test_a_run_on_this_machine_is_found_by_its_trigger(runtime_folder: Path) -> None:
    name = "x" * 45
    with new_run("n" * 63, name) as folder, new_run("n" * 63, name):
        engine = Engine(Path(folder, "control.sock"), blocked(1))
        try:
            result = called("blocked", "retry", name, "--local", "-n", "n" * 63, "--yes")
            assert (result.exit_code, engine.resolved) == (0, [("retry", 1)])
            other = called("blocked", "list", name, "--local")
            assert (other.exit_code, "no `kafkatrigger run`" in other.stderr) == (1, True)
        finally:
            engine.close()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--since", "yesterday"), "is no time"),
        (("--until", "2026-01-01T00:00:00"), "is no time"),
        (("--message", "orders"), "write TOPIC-PARTITION-OFFSET"),
    ],
)
def test_wrong_options_are_explained(arguments: tuple[str, ...], words: str) -> None:
    result = called("blocked", "list", "rul", *arguments)
    assert (result.exit_code, words in result.stderr) == (2, True)
