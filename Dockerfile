# The images of kafkatrigger, one target each: operator, consumer, runtime, runtime-analytics.
#
# Dependencies are layers of their own, made from uv.lock alone, and the targets share what they have in common. A
# change of the source adds one small layer to each target.

ARG BASE=docker.io/library/python:3.13-slim


# What builds: uv installs what the lock file says, hatchling packs the project. It is in no image.
FROM ${BASE} AS tools-installed
RUN python3 -m venv /tools && /tools/bin/pip install --quiet --no-cache-dir uv==0.13.8 hatchling==1.33.0
# Older buildah mounts what a stage began with when its steps come from the cache: so the stage to mount has no steps.
FROM tools-installed AS tools


FROM ${BASE} AS base
LABEL org.opencontainers.image.vendor="kafkatrigger" \
      org.opencontainers.image.licenses="Apache-2.0"
# No bytecode is written at run time, where the root file system is read-only: all of it is compiled here.
ENV PATH=/opt/kafkatrigger/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    HOME=/tmp \
    VIRTUAL_ENV=/opt/kafkatrigger \
    UV_PROJECT_ENVIRONMENT=/opt/kafkatrigger \
    UV_PYTHON_DOWNLOADS=never \
    UV_SYSTEM_CERTS=1 \
    UV_LINK_MODE=copy \
    UV_COMPILE_BYTECODE=1 \
    UV_CACHE_DIR=/var/cache/uv \
    PYC_INVALIDATION_MODE=UNCHECKED_HASH
# The users have names because libraries ask for them; the directory /app is for the code of derived images.
RUN for user in operator:65530 consumer:65532 runtime:65533; do \
        echo "kafkatrigger-${user%:*}:x:${user#*:}:${user#*:}::/tmp:/usr/sbin/nologin" >> /etc/passwd; \
        echo "kafkatrigger-${user%:*}:x:${user#*:}:" >> /etc/group; \
    done && \
    mkdir /app && \
    python3 -m venv --without-pip /opt/kafkatrigger
WORKDIR /app


FROM base AS locked
COPY pyproject.toml uv.lock /opt/kafkatrigger/lock/
RUN --mount=type=bind,from=tools,source=/tools,target=/tools \
    --mount=type=cache,id=kafkatrigger-uv,target=/var/cache/uv \
    /tools/bin/uv sync --quiet --project /opt/kafkatrigger/lock --frozen --no-dev --no-install-project


FROM locked AS operator-dependencies
RUN --mount=type=bind,from=tools,source=/tools,target=/tools \
    --mount=type=cache,id=kafkatrigger-uv,target=/var/cache/uv \
    /tools/bin/uv sync --quiet --project /opt/kafkatrigger/lock --frozen --no-dev --no-install-project --extra operator


FROM locked AS consumer-dependencies
RUN --mount=type=bind,from=tools,source=/tools,target=/tools \
    --mount=type=cache,id=kafkatrigger-uv,target=/var/cache/uv \
    /tools/bin/uv sync --quiet --project /opt/kafkatrigger/lock --frozen --no-dev --no-install-project --extra consumer


# The runtime keeps pip, so that a team can add its libraries in an image of its own.
FROM locked AS runtime-dependencies
RUN --mount=type=bind,from=tools,source=/tools,target=/tools \
    --mount=type=cache,id=kafkatrigger-uv,target=/var/cache/uv \
    /tools/bin/uv sync --quiet --project /opt/kafkatrigger/lock --frozen --no-dev --no-install-project --extra runtime && \
    python -m ensurepip --default-pip


FROM runtime-dependencies AS runtime-analytics-dependencies
RUN --mount=type=bind,from=tools,source=/tools,target=/tools \
    --mount=type=cache,id=kafkatrigger-uv,target=/var/cache/uv \
    /tools/bin/uv sync --quiet --project /opt/kafkatrigger/lock --frozen --no-dev --no-install-project --inexact \
        --extra runtime --extra analytics --extra adapters


# The project itself, as the files that come on top of the dependencies.
FROM locked AS project
COPY README.md pyproject.toml /source/
COPY operator /source/operator
RUN --mount=type=bind,from=tools,source=/tools,target=/tools \
    cd /source && /tools/bin/python -m hatchling build --target wheel --directory /wheel && \
    /tools/bin/uv pip install --quiet --offline --no-deps --prefix /project --python /opt/kafkatrigger/bin/python /wheel/*.whl && \
    python -m compileall -q --invalidation-mode unchecked-hash /project


FROM operator-dependencies AS operator
LABEL org.opencontainers.image.title="kafkatrigger operator"
COPY --from=project /project /opt/kafkatrigger
USER 65530:65530
ENTRYPOINT ["/opt/kafkatrigger/bin/kafkatrigger", "operator"]


FROM consumer-dependencies AS consumer
LABEL org.opencontainers.image.title="kafkatrigger consumer"
COPY --from=project /project /opt/kafkatrigger
USER 65532:65532
ENTRYPOINT ["/opt/kafkatrigger/bin/python", "-m", "kafkatrigger.consumer"]


FROM runtime-dependencies AS runtime
LABEL org.opencontainers.image.title="kafkatrigger runtime"
COPY --from=project /project /opt/kafkatrigger
USER 65533:65533
ENTRYPOINT ["/opt/kafkatrigger/bin/python", "-m", "kafkatrigger.runtime"]


FROM runtime-analytics-dependencies AS runtime-analytics
LABEL org.opencontainers.image.title="kafkatrigger runtime with pandas and its relatives"
COPY --from=project /project /opt/kafkatrigger
USER 65533:65533
ENTRYPOINT ["/opt/kafkatrigger/bin/python", "-m", "kafkatrigger.runtime"]
