"""Results as a page and as a picture."""

import xml.etree.ElementTree as ElementTree

from benchmarks import measured, picture, report
from benchmarks.measured import CaseResult, Results, Run, Runs, Verdict

RUNS = [
    Run({"rate": rate, "violations": 0, "duplicates": 0, "losses": losses}, {"consumer": 1.5}, {"consumer": 100.0})
    for rate, losses in ((500_000.0, 0), (400_000.0, 2), (450_000.0, 0))
]
CASE = CaseResult(
    "fast",
    "As fast as it gets",
    "AtLeastOnce",
    [Runs("kafkatrigger", 10, RUNS), Runs("bare <loop>", 10, [Run(failure="it ended\nwith 1")])],
    [Verdict("kafkatrigger >= 1 x bare loop", 0.9, "missed"), Verdict("more", None, "not measured")],
)
RESULTS = Results("2026-01-02", {"cores": "2"}, [CASE])


def test_the_file_is_read_as_it_was_written() -> None:
    assert measured.decode(measured.encode(RESULTS)) == RESULTS


def test_a_case_measured_again_takes_the_place_of_the_earlier_one() -> None:
    other = CaseResult("first", "", "", [])
    again = CaseResult("fast", "again", "", [])
    found = RESULTS.with_case(other, ["first", "fast"]).with_case(again, ["first", "fast"])
    assert found.cases == [other, again]


def test_a_row_has_median_spread_and_the_worst_count() -> None:
    page = report.document(RESULTS, "")
    row = next(line for line in page.splitlines() if line.startswith("| kafkatrigger |"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1] == "450,000 (400,000–500,000)"  # noqa: RUF001 - a range
    assert cells[2:5] == ["0", "0", "2"]
    assert cells[5:] == ["consumer 1.50", "consumer 100", "3 of 3"]


def test_a_missed_target_stays_in_the_table() -> None:
    assert "| fast | kafkatrigger >= 1 x bare loop | 0.90 | ✗ missed |" in report.document(RESULTS, "")


def test_a_failure_says_why() -> None:
    assert "- bare <loop>: it ended with 1" in report.document(RESULTS, "")


def test_what_is_kept_of_a_failure_is_the_reason_and_not_the_log() -> None:
    assert report.reason("it ended with 1: /home/somebody/log\nTraceback") == "it ended with 1"
    assert report.reason("1 validation error\n/home/somebody") == "1 validation error"


def test_notes_are_part_of_the_page() -> None:
    assert "## Notes\n\nthe profile says so\n\n" in report.document(RESULTS, "the profile says so\n")
    assert "Notes" not in report.document(RESULTS, "")


def test_workers_share_a_cell() -> None:
    run = Run({"rate": 1.0}, {"consumer": 2.0, "worker 0": 1.0, "worker 1": 3.0})
    case = CaseResult("x", "", "", [Runs("ours", 1, [run])])
    assert "consumer 2<br>2 x worker 2 |" in report.document(Results("", {"cores": "2"}, [case]), "")


def test_the_picture_is_drawn_to_scale() -> None:
    drawn = ElementTree.fromstring(picture.draw(RESULTS))  # noqa: S314 - drawn a moment ago
    space = {"svg": "http://www.w3.org/2000/svg"}
    (bar,) = drawn.findall("svg:rect", space)
    texts = [text.text for text in drawn.findall("svg:text", space)]
    assert float(bar.get("width", 0)) == (picture.WIDTH - picture.NAMES - picture.NUMBERS) * 0.9
    assert {"kafkatrigger", "450,000", "bare <loop>", "not measured"} <= set(texts)
