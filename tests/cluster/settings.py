"""Versions, addresses and places: everything that is said once and used in several modules."""

import os
from pathlib import Path

KUBERNETES = "1.34.4"
HELM = "3.22.0"
COREDNS = "1.15.0"
KAFKA = "4.1.1"
KIND = "0.30.0"
VERSITYGW = "1.8.0"
KIND_NODE_IMAGE = "docker.io/kindest/node:v1.34.0"

NAME = "kafkatrigger"
REPOSITORY = Path(__file__).resolve().parents[2]
RECIPES = Path(__file__).resolve().parent / "recipes"

# Slow things live here, keyed by version and recipe; deleting it costs time and nothing else.
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / NAME
LOGS = CACHE / "log"
KUBECONFIG = CACHE / "kubeconfig"

# What a running native cluster owns. `down` removes both, so nothing that is worth keeping belongs there.
STATE = Path("/var/lib/kafkatrigger-cluster")
RUN = Path("/run/kafkatrigger-cluster")

# containerd keeps its images apart from the state, so that a new cluster has the images of the last one.
CONTAINERD_ROOT = CACHE / "containerd"
CONTAINERD_SOCKET = RUN / "containerd.sock"

NODE = "kafkatrigger-node"
# An address of our own on the loopback device: pods reach it, nobody outside this machine does.
NODE_ADDRESS = "10.200.0.1"
POD_NETWORK = "10.244.0.0/16"
NODE_POD_NETWORK = "10.244.0.0/24"
SERVICE_NETWORK = "10.96.0.0/16"
SERVICE_OF_API = "10.96.0.1"
BRIDGE = "kafkatrigger0"
CGROUP = "kafkatrigger"

AUDIT_LOG = STATE / "audit.log"

API_PORT = 6443
DNS_READY_PORT = 8181
ETCD_PORT = 12379
ETCD_PEER_PORT = 12380

KAFKA_NAMESPACE = "kafka"
KAFKA_NODE_PORT = 30092

IMAGE_PREFIX = f"localhost/{NAME}"
BASE_IMAGE = f"{IMAGE_PREFIX}/python:3.13"
PUBLIC_BASE_IMAGE = "docker.io/library/python:3.13-slim"
PAUSE_IMAGE = f"{IMAGE_PREFIX}/pause:1"
KAFKA_IMAGE = f"{IMAGE_PREFIX}/kafka:{KAFKA}"
TARGETS = ("operator", "consumer", "runtime", "runtime-analytics")


def image_of(target: str) -> str:
    return f"{IMAGE_PREFIX}/{target}:dev"
