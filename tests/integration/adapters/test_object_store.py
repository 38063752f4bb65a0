"""The adapter for object stores with a real one, which checks signatures."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pandas.testing import assert_series_equal

from kafkatrigger.runtime.adapters.kept import Kept
from kafkatrigger.runtime.adapters.protocol import AdapterError
from kafkatrigger.runtime.transformations.model import DataType
from tests.support.adapters import failure, loaded, made, secret_of, wired
from tests.support.stores import ObjectStore, certificate, object_store


@pytest.fixture(scope="module")
def store() -> Iterator[ObjectStore]:
    with object_store() as running:
        for bucket in ("plant", "results", "hidden"):
            (running.root / bucket).mkdir()
        yield running


def adapter_of(store: ObjectStore, tmp_path: Path, **options: Any) -> Kept:
    secrets = secret_of(tmp_path / "secret", accessKeyId=store.access_key, secretAccessKey=store.secret_key)
    allowed = {"buckets": ["plant/raw", "results"], "writableBuckets": ["results/of-a", "nowhere"]}
    return made("object_store", secrets, **{"endpoint": store.url, "timeout": 5} | allowed | options)


@pytest.fixture
def adapter(store: ObjectStore, tmp_path: Path) -> Kept:
    return adapter_of(store, tmp_path)


@pytest.mark.parametrize("name", ["x.csv", "x.json.gz", "deep/er/x y+ü.parquet"])
def test_a_series_comes_back(adapter: Kept, name: str) -> None:
    series = pd.Series([1.0, None], index=pd.to_datetime(["2026-01-01", "2026-01-02"], utc=True))
    adapter.send(wired(f"results/of-a/{name}", DataType.SERIES), DataType.SERIES, series)
    found = loaded(adapter, f"s3://results/of-a/{name}", DataType.SERIES)
    assert_series_equal(found, series, check_freq=False, check_index_type=False)


def test_an_object_is_replaced(adapter: Kept) -> None:
    for value in (1, 2):
        adapter.send(wired("results/of-a/x.json"), DataType.INT, value)
    assert loaded(adapter, "results/of-a/x.json", DataType.INT) == 2


def test_what_others_wrote(store: ObjectStore, adapter: Kept) -> None:
    (store.root / "plant" / "raw").mkdir(exist_ok=True)
    (store.root / "plant" / "raw" / "x.csv").write_text("a,b\n1,2\n")
    assert loaded(adapter, "plant/raw/x.csv", DataType.DATAFRAME).to_dict("list") == {"a": [1], "b": [2]}


@pytest.mark.parametrize(
    "ref_id",
    [
        "hidden/x.json",
        "plant/x.json",
        "plant/rawest/x.json",
        "plant/raw/../x.json",
        "plant/raw/./x.json",
        "plant/raw//x.json",
        "plant/raw/\0.json",
        "PLANT/raw/x.json",
        "/plant/raw/x.json",
        "s3://hidden/x.json",
        "http://127.0.0.1/plant/raw/x.json",
        "results",
        "results/",
        "",
    ],
)
def test_other_places_are_refused(adapter: Kept, ref_id: str) -> None:
    assert "in the buckets that option buckets allows, which are plant/raw, results" in str(failure(adapter, ref_id))
    with pytest.raises(AdapterError, match="in the buckets that option writableBuckets allows"):
        adapter.send(wired(ref_id), DataType.INT, 1)


def test_what_may_be_read_may_not_be_written(adapter: Kept) -> None:
    with pytest.raises(AdapterError, match="option writableBuckets allows, which are results/of-a, nowhere"):
        adapter.send(wired("results/x.json"), DataType.INT, 1)


def test_what_is_not_there(adapter: Kept) -> None:
    error = failure(adapter, "results/nothing.json")
    assert str(error) == "there is no such object, or no such bucket"
    assert not error.retriable
    with pytest.raises(AdapterError, match="there is no such object, or no such bucket"):
        adapter.send(wired("nowhere/x.json"), DataType.INT, 1)


def test_objects_of_pickle_are_refused(store: ObjectStore, adapter: Kept) -> None:
    (store.root / "results" / "x.pkl").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    assert "the format of the file is not known by its name" in str(failure(adapter, "results/x.pkl", DataType.ANY))


def test_wrong_credentials(store: ObjectStore, tmp_path: Path) -> None:
    error = failure(adapter_of(store._replace(secret_key="wr0ng-canary"), tmp_path), "results/x.json")  # noqa: S106
    assert "the store refuses these credentials" in str(error)
    assert not error.retriable


def test_certificates_are_checked(tmp_path: Path) -> None:
    tls = certificate(tmp_path)
    with object_store(tls) as store:
        (store.root / "results").mkdir()
        assert failure(adapter_of(store, tmp_path), "results/x.json").retriable
        secret_of(tmp_path / "secret", ca_crt=tls.file.read_text())
        adapter = adapter_of(store, tmp_path, writableBuckets=["results"])
        adapter.send(wired("results/x.json"), DataType.INT, 5)
        assert loaded(adapter, "results/x.json", DataType.INT) == 5


def test_a_store_that_is_not_there(tmp_path: Path) -> None:
    error = failure(adapter_of(ObjectStore("http://127.0.0.1:1", tmp_path), tmp_path), "results/x.json")
    assert "the store cannot be reached" in str(error)
    assert error.retriable


def test_a_store_that_does_not_answer(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        error = failure(
            adapter_of(ObjectStore(f"http://127.0.0.1:{silent.getsockname()[1]}", tmp_path), tmp_path, timeout=1),
            "results/x.json",
        )
        assert error.retriable
        assert time.monotonic() - began < 30


def test_several_threads(adapter: Kept) -> None:
    threads = [
        threading.Thread(
            target=lambda number=number: adapter.send(wired(f"results/of-a/{number}.json"), DataType.INT, number)
        )
        for number in range(8)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert [loaded(adapter, f"results/of-a/{number}.json", DataType.INT) for number in range(8)] == list(range(8))
