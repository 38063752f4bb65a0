"""The consumer: owns the Kafka clients and all delivery semantics. It moves bytes and never decodes a value.

One thread runs everything (`engine`): it polls the source, hands batches to the runtime's workers, produces what they
answer, and commits. Around it: `source` (assignment, positions), `membership` (in the
group or not), `start` (where a partition starts), `dispatcher`
(which worker gets what, and what came back), `lanes` and `retry` (keys that wait; pure), `offsets` (what may be committed;
pure), `outbox` (acknowledged writes), `dead_letter` and `request_failure` (their forms; pure), `runtime_link` (sockets to the
runtime), `catalog` (which transformations that needs; pure; from a `catalog_file` or the `catalog_cluster`),
`health`, `metrics` and `http` (what the pod says about itself), `control` (what people decide about), `process` and
`signals` (its beginning and its end).
"""
