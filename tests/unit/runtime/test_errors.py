"""Failures in words."""

import json

from kafkatrigger import Permanent, Retriable
from kafkatrigger.runtime.errors import MESSAGE_LIMIT, bounded, class_name, innermost_line, text_of


def test_classes_have_their_module() -> None:
    assert class_name(ValueError()) == "ValueError"
    assert class_name(json.JSONDecodeError("", "", 0)) == "json.decoder.JSONDecodeError"
    assert class_name(Permanent()) == "kafkatrigger.runtime.function.Permanent"


def test_permanent_and_retriable_are_about_their_cause() -> None:
    for kind in (Permanent, Retriable):
        error = kind("no")
        error.__cause__ = KeyError("x")
        assert class_name(error) == "KeyError"


def test_text_is_bounded() -> None:
    assert bounded("a" * MESSAGE_LIMIT) == "a" * MESSAGE_LIMIT
    assert len(bounded("a" * (MESSAGE_LIMIT + 1))) == MESSAGE_LIMIT
    assert bounded("\ud800") == "?"


def test_an_exception_that_cannot_be_shown() -> None:
    class BrokenError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert "cannot be shown" in text_of(BrokenError())


def users_function() -> None:
    json.loads("{")


def test_the_line_is_the_users_own_not_the_librarys() -> None:
    try:
        users_function()
    except ValueError as error:
        assert innermost_line(error.__traceback__, "tests") == "runtime/test_errors.py:37 in users_function"


def test_without_a_line_of_the_user_there_is_none() -> None:
    assert innermost_line(None, "tests") == ""
