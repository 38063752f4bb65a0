"""How often an object is put back that somebody else changes again and again."""

from kafkatrigger.controller.contest import BURST, PAUSE, WINDOW, left, noted, pause, warning

OFTEN = tuple(float(number) for number in range(BURST))


def test_what_is_changed_now_and_then_is_put_back_at_once() -> None:
    assert pause((), 0) == 0
    assert pause(OFTEN[:-1], BURST) == 0
    seldom = tuple(WINDOW / (BURST - 1) * number for number in range(BURST))
    assert (pause(seldom, WINDOW), left(seldom, WINDOW)) == (0, 0)


def test_what_is_changed_again_and_again_waits() -> None:
    assert pause(OFTEN, OFTEN[-1]) == PAUSE
    assert pause(OFTEN, OFTEN[-1] + PAUSE - 1) == 1
    assert pause(OFTEN, OFTEN[-1] + PAUSE) == 0


def test_for_as_long_as_it_lasts() -> None:
    times, now = OFTEN, float(BURST)
    for _ in range(100):
        now += pause(times, now)
        times = noted(times, now)
        assert (len(times), pause(times, now)) == (BURST, PAUSE)
    assert left(times, now) > 0
    assert left(times, now + WINDOW) == 0


def test_the_warning_says_how_to_see_who_does_it() -> None:
    said = warning(["ConfigMap rul-consumer", "Deployment rul-consumer"], "plant-7")
    assert (said.status, said.reason) == ("True", "ObjectContested")
    assert "ConfigMap rul-consumer, Deployment rul-consumer" in said.message
    assert "kubectl get configmap rul-consumer --namespace plant-7 --show-managed-fields" in said.message
