# The bridge as a container: not root, nothing but Python and its packages, a read-only root if you like (docs/container.md).
#
#   docker build --tag xds-bridge .
#
# BASE is any image with Python 3.11 or newer as python3, and its venv. PIP_INDEX_URL and pip's other variables work as build arguments.
ARG BASE=docker.io/library/python:3.13-slim-bookworm

# hadolint ignore=DL3006
FROM ${BASE} AS build
ARG PIP_INDEX_URL
ARG PIP_NO_INDEX
ARG PIP_FIND_LINKS
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1 PIP_PROGRESS_BAR=off
WORKDIR /source
# Two environments: one that installs, and one that is installed into, which has neither pip nor anything that builds.
RUN python3 -m venv /builder && python3 -m venv --without-pip /opt/xds-bridge
COPY requirements/build.lock requirements/install.lock requirements/
RUN /builder/bin/pip install --require-hashes --requirement requirements/build.lock \
    && /builder/bin/pip --python /opt/xds-bridge/bin/python3 install --require-hashes --requirement requirements/install.lock
COPY pyproject.toml README.md LICENSE ./
COPY bridge bridge
COPY adapters adapters
COPY xds xds
RUN /builder/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheel . \
    && /builder/bin/pip --python /opt/xds-bridge/bin/python3 install --no-deps --no-index /wheel/*.whl \
    && install -d -o 65532 -g 65532 -m 0700 /owned

# hadolint ignore=DL3006
FROM ${BASE}
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="xds-bridge" \
      org.opencontainers.image.description="A control plane for Envoy without Kubernetes: endpoints from Consul, ECS, EC2 and files" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /opt/xds-bridge /opt/xds-bridge
COPY --from=build --chown=65532:65532 /owned /etc/xds-bridge
COPY --from=build --chown=65532:65532 /owned /var/lib/xds-bridge
COPY --from=build --chown=65532:65532 /owned /run/xds-bridge
# A volume that is new takes over whose the folder is: with Docker, and with ECS, where nothing else could say it.
VOLUME ["/etc/xds-bridge", "/var/lib/xds-bridge", "/run/xds-bridge"]
ENV PATH=/opt/xds-bridge/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 65532:65532
EXPOSE 18000 19000
STOPSIGNAL SIGTERM
# That it lives, not that it is ready: a source that is away must not have the bridge killed.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["xds-bridge-health"]
ENTRYPOINT ["xds-bridge"]
CMD ["run"]
