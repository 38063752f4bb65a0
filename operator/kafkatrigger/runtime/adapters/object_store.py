"""Objects of a store that speaks S3. `ref_id` is `bucket/key`, with or without `s3://` before it."""

import io
from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import msgspec
import obstore
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store

from kafkatrigger.runtime.adapters.formats import read, written
from kafkatrigger.runtime.adapters.protocol import AdapterError, NetworkOptions, Wired, options_of, secret
from kafkatrigger.runtime.errors import bounded
from kafkatrigger.runtime.transformations.model import DataType

_SCHEME = "s3://"
_TROUBLES = (BaseError, OSError)
"""What the library raises; some of it as Python's own."""
_REFUSED = ("", ".", "..")
"""Parts of a key that programs on the way may take for folders."""


class ObjectStoreOptions(NetworkOptions, frozen=True, kw_only=True):
    """Buckets are named as `bucket` or `bucket/prefix`."""

    buckets: tuple[str, ...] = ()
    """Whose objects may be read."""
    writable_buckets: tuple[str, ...] = ()
    """Whose objects may be written."""
    endpoint: Annotated[str, msgspec.Meta(pattern="^(https?://[^/@?#]+/?)?$")] = ""
    """URL of the store; empty is AWS, by the region."""
    region: str = "us-east-1"


class ObjectStoreAdapter:
    """Reads and replaces objects. The secret's keys are `accessKeyId` and `secretAccessKey`, and `ca.crt` where needed."""

    def __init__(self, options: Mapping[str, Any], secrets: Path) -> None:
        self._options = options_of(options, ObjectStoreOptions)
        if not self._options.buckets and not self._options.writable_buckets:
            raise AdapterError("it may reach nothing: name buckets in buckets or writableBuckets")
        places = {*self._options.buckets, *self._options.writable_buckets}
        buckets = {each.removeprefix(_SCHEME).partition("/")[0] for each in places}
        self._stores = {bucket: _store(bucket, self._options, secrets) for bucket in buckets}

    def load(self, wired: Wired, kind: DataType) -> Any:
        """The value of an object."""
        bucket, key = _allowed(wired.ref_id, self._options.buckets, "buckets")
        try:
            content = obstore.get(self._stores[bucket], key).bytes()
        except _TROUBLES as error:
            raise _trouble(error) from None
        return read(io.BytesIO(content), key, kind)

    def send(self, wired: Wired, kind: DataType, value: Any) -> None:
        """Replaces an object as a whole."""
        bucket, key = _allowed(wired.ref_id, self._options.writable_buckets, "writableBuckets")
        content = written(value, key, kind)
        try:
            obstore.put(self._stores[bucket], key, content, use_multipart=False)
        except _TROUBLES as error:
            raise _trouble(error) from None

    def close(self) -> None:
        """Connections are the library's, which closes those that are idle."""


def _store(bucket: str, options: ObjectStoreOptions, secrets: Path) -> S3Store:
    timeout = timedelta(seconds=options.timeout)
    config: Any = {
        "access_key_id": secret(secrets, "accessKeyId"),
        "secret_access_key": secret(secrets, "secretAccessKey"),
        "region": options.region,
    }
    client: Any = {"timeout": timeout, "connect_timeout": timeout}
    if options.endpoint:
        config["endpoint"] = options.endpoint.rstrip("/")
        client["allow_http"] = options.endpoint.startswith("http:")
    if certificate := secret(secrets, "ca.crt", default=""):
        client["root_certificate"] = certificate
    retries: Any = {"max_retries": 2, "retry_timeout": timeout}
    try:
        return S3Store(bucket, config=config, client_options=client, retry_config=retries)
    except (BaseError, ValueError) as error:
        raise AdapterError(
            f"the bucket {bucket!r} cannot be used with these options: {bounded(str(error), 300)}"
        ) from None


def _allowed(ref_id: str, places: Iterable[str], option: str) -> tuple[str, str]:
    """Bucket and key; AdapterError where the option does not allow them."""
    path = ref_id.removeprefix(_SCHEME)
    bucket, _, key = path.partition("/")
    parts = key.split("/")
    is_inside = any(f"{path}/".startswith(each.removeprefix(_SCHEME).rstrip("/") + "/") for each in places)
    if not is_inside or any(part in _REFUSED for part in parts) or not ref_id.isprintable():
        there = ", ".join(places) or "none"
        raise AdapterError(f"this is no object in the buckets that option {option} allows, which are {there}")
    return bucket, key


def _trouble(error: Exception) -> AdapterError:
    """By its class: the library's text has the URL in it."""
    if isinstance(error, FileNotFoundError):
        return AdapterError("there is no such object, or no such bucket")
    if isinstance(error, PermissionDeniedError | UnauthenticatedError | PermissionError):
        return AdapterError("the store refuses these credentials: allow their user this object, or correct the secret")
    return AdapterError("the store cannot be reached, or does not answer as it should: try again later", retriable=True)
