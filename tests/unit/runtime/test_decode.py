"""Decoding, and what is said about a message that cannot be decoded."""

from typing import Any

import pytest

from kafkatrigger.api.frames import Format
from kafkatrigger.runtime.decode import DECODERS, DecodeError, invalid_message


@pytest.mark.parametrize(
    ("kind", "data", "value"),
    [
        ("JSON", b'{"a": [1, null]}', {"a": [1, None]}),
        ("JSON", b"42", 42),
        ("String", "ä".encode(), "ä"),
        ("String", b"", ""),
        ("Bytes", b"\xff", b"\xff"),
    ],
)
def test_each_format(kind: Format, data: bytes, value: Any) -> None:
    assert DECODERS[kind](data) == value


@pytest.mark.parametrize(
    ("value", "key", "sentence"),
    [
        (b"{", b"k", "the value is not valid JSON: unexpected end of data: line 1 column 2 (char 1)"),
        (b"", b"k", "the value is not valid JSON: "),
        (b"NaN", b"k", "the value is not valid JSON: "),
        (b"\xff", b"k", "the value is not valid JSON: "),
        (b"1", b"ab\xff", "the key is not valid UTF-8 text: invalid start byte at byte 2"),
        (None, b"\xff", "the key is not valid UTF-8 text: "),
        (b"{", b"\xff", "the value is not valid JSON: "),
    ],
)
def test_what_is_wrong_and_where(value: bytes | None, key: bytes | None, sentence: str) -> None:
    failed = invalid_message("JSON", "String", value, key)
    assert failed.message.startswith(sentence)
    assert (failed.reason, failed.permanent) == ("InvalidMessage", True)


@pytest.mark.parametrize("data", [b"[" * 100_000, b"[" * 2_000 + b"]" * 2_000, b'{"a":' * 2_000 + b"1" + b"}" * 2_000])
def test_depth_is_bounded(data: bytes) -> None:
    with pytest.raises(DecodeError):
        DECODERS["JSON"](data)
    assert invalid_message("JSON", "JSON", data, None).error_class == "orjson.JSONDecodeError"


def test_nothing_of_the_message_is_repeated() -> None:
    assert "secret" not in invalid_message("JSON", "JSON", b'{"secret": secret}', None).message
