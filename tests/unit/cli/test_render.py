"""What people see."""

import msgspec

from kafkatrigger.cli.render import counted, json_text, number, printable, table, when


def test_a_terminal_only_shows() -> None:
    assert printable(b"\x1b[31mred\x00\n\xff\xe2\x80\xae") == "\\x1b[31mred\\x00\\n\\xff\\u202e"
    assert printable("grün ✓".encode()) == "grün ✓"
    assert printable(b"abcdef", widest=4) == "abc…"
    assert (printable(None), printable(b"")) == ("<none>", "")


def test_columns_are_aligned() -> None:
    assert table(("A", "LONG"), [("wide", "x"), ("y", "")]) == "A      LONG\nwide   x\ny"


def test_bytes_in_json() -> None:
    found = msgspec.json.decode(json_text({"a": b"text", "b": [b"\xff", None], "c": {0: 1}}))
    assert found == {"a": "text", "b": [{"base64": "/w=="}, None], "c": {"0": 1}}


def test_times_and_counts() -> None:
    assert (when(86_400_000), when(0)) == ("1970-01-02T00:00:00Z", "unknown")
    assert (counted(0, "key"), counted(1, "key"), counted(2, "key")) == ("0 keys", "1 key", "2 keys")


def test_numbers_are_short() -> None:
    assert [number(each) for each in (None, 0, 0.04, 3.14159, 9.0, 1234.5, 2**60)] == [
        *("-", "0", "0.0", "3.1", "9", "1234", str(2**60)),
    ]
