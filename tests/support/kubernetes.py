"""A few calls to a Kubernetes API, independent of the operator's own client."""

import json
from pathlib import Path
from typing import Any

import yaml
from kubernetes import client, config

Body = dict[str, Any]

TRIGGERS = "/apis/kafkatrigger.dev/v1alpha1/namespaces/{}/kafkatriggers"
TRANSFORMATIONS = "/apis/kafkatrigger.dev/v1alpha1/namespaces/{}/transformations"
DEPLOYMENTS = "/apis/apps/v1/namespaces/{}/deployments"
BUDGETS = "/apis/policy/v1/namespaces/{}/poddisruptionbudgets"
CONFIG_MAPS = "/api/v1/namespaces/{}/configmaps"
SERVICE_ACCOUNTS = "/api/v1/namespaces/{}/serviceaccounts"
ROLE_BINDINGS = "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings"
PODS = "/api/v1/namespaces/{}/pods"
EVENTS = "/api/v1/namespaces/{}/events"

APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"


class RefusedError(Exception):
    """The API server refused; carries its sentence."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Api:
    """Calls as the user of a kubeconfig; a path may carry a query."""

    def __init__(self, kubeconfig: Path) -> None:
        settings = client.Configuration()
        config.load_kube_config(str(kubeconfig), client_configuration=settings)  # type: ignore[no-untyped-call]
        self._api = client.ApiClient(settings)

    def call(self, method: str, path: str, body: Body | None = None, content: str = "application/json") -> Body:
        """The answer; RefusedError for everything but success."""
        headers = {"Content-Type": content, "Accept": "application/json"}
        request = self._api.param_serialize(
            method, path, header_params=headers, body=body, auth_settings=["BearerToken"]
        )
        answer = self._api.call_api(*request, _request_timeout=20)
        data: bytes = answer.read()  # type: ignore[no-untyped-call]
        if answer.status >= 300:
            raise RefusedError(answer.status, _sentence(data))
        result: Body = json.loads(data)
        return result

    def get(self, path: str) -> Body | None:
        """The object, or None."""
        try:
            return self.call("GET", path)
        except RefusedError as error:
            if error.status == 404:
                return None
            raise

    def items(self, path: str) -> list[Body]:
        """The objects of a collection."""
        found: list[Body] = self.call("GET", path)["items"]
        return found

    def apply(self, path: str, manifest: Body, manager: str = "tests") -> Body:
        """Server-side apply."""
        separator = "&" if "?" in path else "?"
        return self.call("PATCH", f"{path}{separator}fieldManager={manager}&force=true", manifest, APPLY)

    def merge(self, path: str, changes: Body) -> Body:
        """Merge patch."""
        return self.call("PATCH", path, changes, MERGE)

    def delete(self, path: str) -> None:
        """Deletes the object, its owned ones in the background."""
        self.call("DELETE", path, {"propagationPolicy": "Background"})

    def make_namespace(self, name: str) -> str:
        """Creates a namespace and returns its name."""
        self.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        return name


def read_yaml(path: Path) -> list[Body]:
    """The documents of a file."""
    return [each for each in yaml.safe_load_all(path.read_text()) if each]


def _sentence(data: bytes) -> str:
    """A path that is not served is answered with plain text."""
    return str(json.loads(data)["message"]) if data.startswith(b"{") else data.decode()
