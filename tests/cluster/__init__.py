"""A real Kubernetes cluster and a real Apache Kafka on one machine, for development and tests.

`python3 -m tests.cluster --help` says what it does. It needs the standard library only, so that it runs on a machine
on which nothing of the project is installed yet.

For tests there are three parts to import:

- `tests.cluster.broker.HostBroker`: an Apache Kafka as a process of this machine,
- `tests.cluster.control_plane.ControlPlane`: etcd and kube-apiserver, without a node,
- `tests.cluster.tools.tools`: the paths of kubectl and helm; `tests.cluster.kubectl.Kubectl` calls it.
"""
