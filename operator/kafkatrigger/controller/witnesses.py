"""What the pods of each trigger said last. A pod that goes takes its answers along, but not what they were: how far its
partitions came stays known until it is in a checkpoint.
"""

from collections.abc import Mapping

from kafkatrigger.controller.cache import Key
from kafkatrigger.controller.monitor import Monitor
from kafkatrigger.controller.observation import Workload
from kafkatrigger.controller.pod_reader import PodAddress
from kafkatrigger.controller.pods import Pod
from kafkatrigger.controller.reports import Report

PodMonitor = Monitor[Key, PodAddress, Report | None]

MOST_WORDS = 1000
"""Pods of a trigger whose last words are kept: as many as it can have."""


class Witnesses:
    """Asks pods that are not ready, that are ready, and that are leaving."""

    def __init__(self, waiting: PodMonitor, ready: PodMonitor, leaving: PodMonitor) -> None:
        self._waiting, self._ready, self._leaving = waiting, ready, leaving
        self._last_words: dict[Key, dict[str, Report]] = {}
        """By uid, of pods that say nothing now."""

    def watch(self, key: Key, workload: Workload | None) -> dict[str, Report | None]:
        """What the pods that are to stay say; one whose readiness flips is asked anew."""
        pods = [pod for pod in workload.pods if pod.answers] if workload else []
        before = self._said(key)
        answers = {
            **self._waiting.watch(key, [_address(pod) for pod in pods if not pod.deleting and not pod.ready]),
            **self._ready.watch(key, [_address(pod) for pod in pods if not pod.deleting and pod.ready]),
        }
        self._leaving.watch(key, [_address(pod) for pod in pods if pod.deleting])
        self._remember(key, before)
        return {question.uid: answer for question, answer in answers.items()}

    def reports(self, key: Key) -> dict[str, Report]:
        """By uid the last that each pod said, also those that are gone, until it is released."""
        return {**self._last_words.get(key, {}), **self._said(key)}

    def release(self, key: Key, reports: Mapping[str, Report]) -> None:
        """These are in a checkpoint: those that are only kept for it need not be kept any more."""
        words = self._last_words.pop(key, {})
        if left := {uid: report for uid, report in words.items() if report is not reports.get(uid)}:
            self._last_words[key] = left

    def silence(self, key: Key) -> None:
        """What pods said that are gone does not count any more."""
        self._last_words.pop(key, None)

    def forget(self, key: Key) -> None:
        """The trigger is gone."""
        for monitor in (self._waiting, self._ready, self._leaving):
            monitor.forget(key)
        self._last_words.pop(key, None)

    def _said(self, key: Key) -> dict[str, Report]:
        found = {**self._waiting.answers(key), **self._ready.answers(key), **self._leaving.answers(key)}
        return {question.uid: answer for question, answer in found.items() if answer}

    def _remember(self, key: Key, before: Mapping[str, Report]) -> None:
        silent = before.keys() - self._said(key).keys()
        if silent:
            words = {**self._last_words.get(key, {}), **{uid: before[uid] for uid in sorted(silent)}}
            self._last_words[key] = dict(list(words.items())[-MOST_WORDS:])


def _address(pod: Pod) -> PodAddress:
    return PodAddress(pod.uid, pod.ip)
