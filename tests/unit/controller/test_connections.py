"""When the silence of brokers is believed."""

from kafkatrigger.controller.connections import DOUBT_PAUSE, Connection, judge
from kafkatrigger.kafka.brokers import Finding, is_short, qualified, target

WELL, SILENT = Connection(Finding()), Connection(Finding(unreachable="refused"))
NO_TOPIC = Connection(Finding(missing=("t",)))


def test_one_silence_is_doubted_and_a_second_believed() -> None:
    doubted, pause = judge(WELL, SILENT)
    assert doubted == WELL
    assert pause == DOUBT_PAUSE
    believed, pause = judge(doubted, SILENT)
    assert believed == SILENT
    assert 8 <= pause <= 12


def test_an_answer_ends_the_doubt() -> None:
    doubted, _ = judge(WELL, SILENT)
    well, pause = judge(doubted, WELL)
    assert not well.doubted
    assert 48 <= pause <= 72


def test_the_first_silence_and_a_missing_topic_are_believed_at_once() -> None:
    assert judge(None, SILENT)[0] == SILENT
    assert judge(WELL, NO_TOPIC)[0] == NO_TOPIC
    assert judge(NO_TOPIC, SILENT)[0] == SILENT


def test_short_names_mean_a_service_of_the_namespace() -> None:
    assert [
        is_short(server) for server in ("kafka:9092", "kafka.n:9092", "10.0.0.1:9092", "localhost:9092", "[::1]:9092")
    ] == [
        True,
        False,
        False,
        False,
        False,
    ]
    assert qualified("kafka.n:9092", "elsewhere") == "kafka.n:9092"
    assert qualified("no-such-service:9092", "elsewhere") == "no-such-service:9092"


def test_triggers_that_need_the_same_ask_together() -> None:
    one, two = target("n", ["b.k:1", "a.k:1"], ["t", "s"]), target("m", ["a.k:1", "b.k:1"], ["s", "t"])
    assert one == two
    assert target("n", ["kafka:1"], ["t"]) != target("m", ["kafka:1"], ["t"])
    assert target("n", ["a.k:1"], [], "t.*") != target("n", ["a.k:1"], [], "s.*")
