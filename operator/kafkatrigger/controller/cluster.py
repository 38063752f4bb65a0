"""The Kubernetes API: the only module that calls it. Blocking calls run in threads, at most so many at a time."""

import asyncio
import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import urllib3
from kubernetes import client, config

from kafkatrigger.api.resources import GROUP, KIND, PLURAL, VERSION
from kafkatrigger.api.transformation import TRANSFORMATION_KIND, TRANSFORMATION_PLURAL
from kafkatrigger.controller.names import FIELD_MANAGER

Body = dict[str, Any]

PATHS = {
    KIND: f"/apis/{GROUP}/{VERSION}/{{}}{PLURAL}",
    TRANSFORMATION_KIND: f"/apis/{GROUP}/{VERSION}/{{}}{TRANSFORMATION_PLURAL}",
    "ConfigMap": "/api/v1/{}configmaps",
    "Pod": "/api/v1/{}pods",
    "Event": "/api/v1/{}events",
    "Deployment": "/apis/apps/v1/{}deployments",
    "PodDisruptionBudget": "/apis/policy/v1/{}poddisruptionbudgets",
    "ServiceAccount": "/api/v1/{}serviceaccounts",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/{}rolebindings",
}
"""Every kind that is ever called, and where."""

PAGE = 500
"""Objects of one answer to a list."""
TIMEOUT = (3.0, 20.0)
"""Seconds to connect, and to wait for an answer."""


@dataclass
class ClusterError(Exception):
    """The API server refused, or did not answer (status 0)."""

    status: int
    message: str

    def __str__(self) -> str:
        return f"{self.message} ({self.status})" if self.status else self.message

    @property
    def is_final(self) -> bool:
        """Whether the same request will be refused again until somebody changes something."""
        return self.status in (400, 403, 422)


class Cluster:
    """Calls as the process's own account: the pod's, or the kubeconfig's."""

    def __init__(self, threads: int) -> None:
        settings = client.Configuration()
        try:
            config.load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call]
        except config.ConfigException:
            config.load_kube_config(client_configuration=settings)  # type: ignore[no-untyped-call]
        settings.connection_pool_maxsize = threads
        self._api = client.ApiClient(settings)
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="cluster")

    def close(self) -> None:
        """Lets calls that run end by themselves."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def apply(self, manifest: Body, subresource: str = "") -> Body:
        """Server-side apply: what an earlier manifest of ours had and this one has not is removed."""
        path = _path(manifest["kind"], manifest["metadata"]["namespace"], manifest["metadata"]["name"], subresource)
        query = [("fieldManager", FIELD_MANAGER), ("force", "true")]
        return await self._call("PATCH", path, query, manifest, "application/apply-patch+yaml")

    async def get(self, kind: str, namespace: str, name: str) -> Body | None:
        """The object, or None when there is none."""
        try:
            return await self._call("GET", _path(kind, namespace, name))
        except ClusterError as error:
            if error.status == 404:
                return None
            raise

    async def delete(self, kind: str, namespace: str, name: str, uid: str) -> None:
        """Deletes exactly that object, not one of the same name; nothing happens when it is gone."""
        try:
            await self._call("DELETE", _path(kind, namespace, name), body={"preconditions": {"uid": uid}})
        except ClusterError as error:
            if error.status not in (404, 409):
                raise

    async def create(self, manifest: Body) -> None:
        """Creates an object that has no other life, such as an event."""
        await self._call("POST", _path(manifest["kind"], manifest["metadata"]["namespace"]), body=manifest)

    async def patch(self, manifest: Body) -> Body:
        """Merges some fields into an existing object."""
        path = _path(manifest["kind"], manifest["metadata"]["namespace"], manifest["metadata"]["name"])
        return await self._call("PATCH", path, body=manifest, content="application/merge-patch+json")

    async def list_all(self, kind: str, namespace: str | None, selector: str) -> tuple[Iterable[Body], int]:
        """All objects of a kind and the version of the list, fetched in pages."""
        items: list[Body] = []
        query = [("labelSelector", selector), ("limit", str(PAGE))]
        token, version = "", 0
        while True:
            page = await self._call("GET", _path(kind, namespace), [*query, *([("continue", token)] if token else [])])
            # Items of a list do not say what they are.
            items += [{**item, "kind": kind} for item in page["items"]]
            version = version or int(page["metadata"]["resourceVersion"])
            token = page["metadata"].get("continue", "")
            if not token:
                return items, version

    async def _call(
        self,
        method: str,
        path: str,
        query: list[tuple[str, str]] | None = None,
        body: Body | None = None,
        content: str = "application/json",
    ) -> Body:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, self._request, method, path, query or [], body, content)

    def _request(self, method: str, path: str, query: list[tuple[str, str]], body: Body | None, content: str) -> Body:
        headers = {"Accept": "application/json", "Content-Type": content}
        request = self._api.param_serialize(
            method, path, query_params=query, header_params=headers, body=body, auth_settings=["BearerToken"]
        )
        try:
            answer = self._api.call_api(*request, _request_timeout=TIMEOUT)
            data: bytes = answer.read()  # type: ignore[no-untyped-call]
        except (urllib3.exceptions.HTTPError, client.ApiException, OSError) as error:
            raise ClusterError(0, f"the Kubernetes API does not answer: {error}") from error
        if answer.status >= 300:
            raise ClusterError(answer.status, _message(data))
        result: Body = json.loads(data)
        return result


def _path(kind: str, namespace: str | None, name: str = "", subresource: str = "") -> str:
    collection = PATHS[kind].format(f"namespaces/{namespace}/" if namespace else "")
    return "/".join(part for part in (collection, name, subresource) if part)


def _message(data: bytes) -> str:
    """The API server's own sentence."""
    try:
        return str(json.loads(data)["message"])
    except (ValueError, KeyError, TypeError):
        return data[:300].decode(errors="replace")
