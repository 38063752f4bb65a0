"""Brings a trigger's objects to what is desired: applies what differs, deletes what is no longer wanted."""

import time
from collections import defaultdict
from collections.abc import Callable, Collection
from typing import NamedTuple

from kafkatrigger.api.resources import KIND
from kafkatrigger.controller import contest
from kafkatrigger.controller.cache import Cache, Child, Key, Trigger, child
from kafkatrigger.controller.cluster import Cluster, ClusterError
from kafkatrigger.controller.conditions import Verdict, no
from kafkatrigger.controller.desired import Manifest, digest


class NotOursError(Exception):
    """An object of the name exists and is somebody else's, or is on its way out; `verdict` says so."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.message)
        self.verdict = verdict


class Applied(NamedTuple):
    """An object as it was applied last."""

    wanted: str = ""
    """Digest of the manifest; empty before the first time."""
    fingerprint: object = None
    mends: contest.Times = ()
    """When it was put back."""


class Deployer:
    """Remembers what it applied, so that an object is written only when the desire or the object changed.

    `later` has a key reconciled after so many seconds.
    """

    def __init__(self, cache: Cache, cluster: Cluster, later: Callable[[Key, float], None]) -> None:
        self._cache, self._cluster, self._later = cache, cluster, later
        self._applied: defaultdict[Key, dict[tuple[str, str], Applied]] = defaultdict(dict)

    async def deploy(self, trigger: Trigger, manifests: Collection[Manifest]) -> Verdict | None:
        """What keeps the objects from being applied, or None. Raises ClusterError where trying again may help."""
        try:
            for manifest in manifests:
                await self._ensure(trigger, manifest)
        except NotOursError as error:
            return error.verdict
        except ClusterError as error:
            if not error.is_final:
                raise
            return no("ApplyFailed", f"the API server refuses an object of this trigger: {error.message}")
        await self._prune(trigger, {(each["kind"], each["metadata"]["name"]) for each in manifests})
        return None

    def forget(self, key: Key) -> None:
        """The trigger is gone; its objects are the garbage collector's."""
        self._applied.pop(key, None)

    def contested(self, key: Key) -> Verdict | None:
        """What to warn of while somebody else changes objects of the trigger again and again."""
        now = time.monotonic()
        ends = {" ".join(at): contest.left(each.mends, now) for at, each in self._applied[key].items()}
        lasting = {what: left for what, left in ends.items() if left}
        if not lasting:
            return None
        self._later(key, min(lasting.values()))
        return contest.warning(sorted(lasting), key.namespace)

    async def _ensure(self, trigger: Trigger, manifest: Manifest) -> None:
        at = (manifest["kind"], manifest["metadata"]["name"])
        known = self._cache.find(trigger.key, *at) or await self._read(trigger.key, *at)
        if known:
            check_owner(trigger, known)
        wanted, seen = digest(manifest), known.fingerprint if known else None
        last = self._applied[trigger.key].get(at, Applied())
        if (last.wanted, last.fingerprint) == (wanted, seen):
            return
        drifted = last.wanted == wanted
        if drifted and (pause := contest.pause(last.mends, time.monotonic())):
            self._later(trigger.key, pause)
            return
        now_is = await self._apply(manifest)
        # Where only what others own has changed there was nothing to put back.
        mends = contest.noted(last.mends, time.monotonic()) if drifted and now_is != seen else last.mends
        self._applied[trigger.key][at] = Applied(wanted, now_is, mends)

    async def _apply(self, manifest: Manifest) -> object:
        """The fingerprint of what it became."""
        body = await self._cluster.apply(manifest)
        self._cache.observe(body)
        return child(body).fingerprint

    async def _read(self, key: Key, kind: str, name: str) -> Child | None:
        """Asks the API server, because the watches only see what carries our labels."""
        body = await self._cluster.get(kind, key.namespace, name)
        return child(body) if body else None

    async def _prune(self, trigger: Trigger, desired: Collection[tuple[str, str]]) -> None:
        for each in self._cache.children(trigger.key):
            if each.owner == trigger.uid and not each.deleting and (each.kind, each.name) not in desired:
                await self._cluster.delete(each.kind, each.namespace, each.name, each.uid)


def check_owner(trigger: Trigger, known: Child) -> None:
    """NotOursError where it is not the trigger's.

    An object without an owner that carries our labels was orphaned on purpose, and is taken up again.
    """
    what = f"{known.kind} {known.name}"
    orphaned = not known.owner and known.ours
    if known.owner_kind == KIND and known.owner != trigger.uid:
        raise NotOursError(no("Progressing", f"waiting until {what} of the deleted trigger of the same name is gone"))
    if known.owner != trigger.uid and not orphaned:
        raise NotOursError(
            no(
                "NameTaken",
                f"{what} exists and was not made for this trigger: delete it, or give the trigger another name",
            )
        )
    if known.deleting:
        raise NotOursError(no("Progressing", f"waiting until {what}, which somebody deleted, is gone"))
