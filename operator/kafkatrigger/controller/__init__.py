"""The operator: it watches triggers and what it made for them, and brings the cluster to what the triggers say.

    handlers ─▶ cache, queue ─▶ reconcile ─▶ desired (pure) ─▶ cluster
                                    └──────▶ status (pure) ──▶ cluster

It is never in the path of messages: with the operator down they keep flowing, and triggers can be deleted.
"""
