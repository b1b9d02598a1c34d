# The order execution service, built from the lock file with every hash checked.
#
#   docker build -t disposal-executor .
#   docker run --rm --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges \
#     -v executor-journal:/var/lib/executor -v "$PWD/secrets:/run/secrets:ro" disposal-executor demo
#
# Nothing is written outside /var/lib/executor (the journal) and /tmp.

ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore
RUN python -m venv /opt/executor
WORKDIR /build
# The lock comes first, so that a change of code does not install the dependencies again.
COPY requirements.lock requirements-dev.lock ./
# The driver of PostgreSQL is an extra. Its version is the one that was tested, its hashes those of that lock.
RUN awk '/^[^ ]/ { taken = /^psycopg/ } taken' requirements-dev.lock > postgres.lock \
    && /opt/executor/bin/pip install --quiet --require-hashes --requirement requirements.lock \
    && /opt/executor/bin/pip install --quiet --require-hashes --no-deps --requirement postgres.lock
COPY pyproject.toml README.md LICENSE ./
COPY executor ./executor
COPY adapters ./adapters
COPY config ./config
# The hashes of the build back end are in the lock too: no build isolation, so nothing else is fetched.
RUN /opt/executor/bin/pip install --quiet --no-build-isolation --no-deps . \
    && /opt/executor/bin/python -m compileall -q /opt/executor/lib \
    && /opt/executor/bin/pip check

FROM ${PYTHON_IMAGE}
# The numeric id lets an orchestrator verify that the user is not root.
RUN groupadd --system --gid 10001 executor \
    && useradd --system --uid 10001 --gid executor --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin executor \
    && install --directory --owner executor --group executor --mode 0750 /var/lib/executor
COPY --from=build /opt/executor /opt/executor
# EXECUTOR_SECRETS_DIR names a directory that is mounted at run time; no secret is ever in the image.
# hadolint ignore=DL3064
ENV PATH=/opt/executor/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    EXECUTOR_JOURNAL=/var/lib/executor/journal.sqlite \
    EXECUTOR_SECRETS_DIR=/run/secrets \
    EXECUTOR_LOG_FORMAT=json
USER 10001:10001
WORKDIR /var/lib/executor
VOLUME ["/var/lib/executor"]
# A process that dies takes the container with it; this finds the other case, a program that can no longer be loaded.
HEALTHCHECK --interval=60s --timeout=20s --start-period=20s --retries=3 CMD ["executor", "--help"]
ENTRYPOINT ["executor"]
CMD ["--help"]
