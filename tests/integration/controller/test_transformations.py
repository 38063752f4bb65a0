"""Triggers that run Transformations: whether these are there, and what their pods get to read them."""

import base64
import json

from kafkatrigger.controller.access import TOKEN_VOLUME
from tests.integration.controller.operator_process import OperatorProcess
from tests.integration.controller.world import PATIENCE, World
from tests.support.kubernetes import DEPLOYMENTS, ROLE_BINDINGS, SERVICE_ACCOUNTS, TRANSFORMATIONS, Body
from tests.support.waiting import until

HURRY = """
from kafkatrigger.controller import references
references.MISSING_PAUSE = references.FOUND_PAUSE = 0.5
"""
REF: Body = {"ref": {"name": "rul-1-0-0"}}
BINDING = "rul-consumer.clusterrole.kafkatrigger-transformations"


def test_it_waits_for_what_it_names(world: World) -> None:
    world.apply(transformation=REF)
    said = world.wait_condition("Accepted", "False", "TransformationNotFound")
    assert "there is no Transformation rul-1-0-0 in this namespace" in said["message"]
    assert world.wait_condition("Ready", "False", "TransformationNotFound")["message"] == said["message"]
    world.wait_condition("Deployed", "False", "NotAccepted")
    assert world.api.get(world.path(DEPLOYMENTS, "rul-consumer")) is None
    world.put_transformation()
    world.wait_condition("Accepted", "True", "Accepted")
    world.pods(1)


def test_pods_go_on_without_what_they_run(world: World) -> None:
    world.put_transformation()
    world.apply(transformation=REF)
    world.pods(1)
    world.api.delete(world.path(TRANSFORMATIONS, "rul-1-0-0"))
    world.wait_condition("Accepted", "False", "TransformationNotFound")
    world.wait_replicas(1)
    world.apply(transformation=REF, suspend=True)
    world.wait_replicas(0)


def test_another_tag_and_a_disabled_one(world: World) -> None:
    world.put_transformation()
    world.apply(transformation={"ref": {"name": "rul-1-0-0", "versionTag": "1.0.1"}})
    assert "version tag 1.0.0" in world.wait_condition("Accepted", "False", "TransformationNotFound")["message"]
    world.apply(transformation={"ref": {"name": "rul-1-0-0", "versionTag": "1.0.0"}})
    world.wait_condition("Accepted", "True", "Accepted")
    world.put_transformation(state="Disabled")
    assert "is disabled" in world.wait_condition("Accepted", "False", "TransformationNotFound")["message"]


def test_an_account_comes_and_goes(world: World, operator: OperatorProcess) -> None:
    world.put_transformation()
    world.apply(transformation=REF)
    (pod,) = world.pods(1)
    assert pod["spec"]["serviceAccountName"] == "rul-consumer"
    assert pod["spec"]["automountServiceAccountToken"] is False
    assert not world.child(SERVICE_ACCOUNTS)["automountServiceAccountToken"]
    assert world.api.call("GET", world.path(ROLE_BINDINGS, BINDING))["subjects"] == [
        {"kind": "ServiceAccount", "name": "rul-consumer", "namespace": world.namespace}
    ]
    world.api.delete(world.path(ROLE_BINDINGS, BINDING))
    until(lambda: world.api.get(world.path(ROLE_BINDINGS, BINDING)) is not None, PATIENCE, "the binding again")
    world.apply(transformation=REF, podTemplate={"serviceAccountName": "theirs"})
    world.wait_no_object(SERVICE_ACCOUNTS, "rul-consumer")
    assert world.api.call("GET", world.path(ROLE_BINDINGS, BINDING))["subjects"][0]["name"] == "theirs"
    world.apply()
    world.wait_no_object(ROLE_BINDINGS, BINDING)
    assert "Traceback" not in operator.log


def test_tokens_live_for_an_hour(world: World) -> None:
    world.put_transformation()
    world.apply(transformation=REF)
    (pod,) = world.pods(1)
    (volume,) = [each for each in pod["spec"]["volumes"] if each["name"] == TOKEN_VOLUME]
    seconds = volume["projected"]["sources"][0]["serviceAccountToken"]["expirationSeconds"]
    of_pod = {"kind": "Pod", "apiVersion": "v1", "name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"]}
    request = {"spec": {"expirationSeconds": seconds, "boundObjectRef": of_pod}}
    answer = world.api.call("POST", f"{world.path(SERVICE_ACCOUNTS, 'rul-consumer')}/token", request)
    payload = answer["status"]["token"].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert claims["exp"] - claims["iat"] == seconds


def test_a_changed_wiring_rolls_the_pods(world: World) -> None:
    world.put_transformation()
    world.apply(transformation={**REF, "wiring": {"inputs": [{"name": "limit", "value": 1.3}]}})
    world.pods(1)
    before = world.child(DEPLOYMENTS)["spec"]["template"]
    world.apply(transformation={**REF, "wiring": {"inputs": [{"name": "limit", "value": 1.4}]}})
    until(lambda: world.child(DEPLOYMENTS)["spec"]["template"] != before, PATIENCE, "another template")


def test_a_missing_secret_is_named(world: World) -> None:
    world.put_transformation()
    world.apply(transformation={**REF, "adapters": [{"name": "db", "type": "sql", "secret": {"name": "plant-db"}}]})
    world.pods(1)
    until(lambda: "Secret plant-db" in world.wait_condition("Deployed", "False", "Progressing")["message"], 20)
