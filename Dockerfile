# Built and run without a network at run time; everything that is kept is in the one volume /data.
ARG BASE=docker.io/library/python:3.11-slim
FROM ${BASE} AS build
WORKDIR /build
RUN python3 -m venv /opt/monitor
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY requirements/run.txt requirements/build.txt requirements/
RUN /opt/monitor/bin/pip install --require-hashes --only-binary :all: -r requirements/run.txt
RUN python3 -m venv /opt/builder && /opt/builder/bin/pip install --require-hashes -r requirements/build.txt
COPY pyproject.toml README.md LICENSE NOTICE config.example.toml ./
COPY alembic alembic
COPY monitor monitor
RUN /opt/builder/bin/python -c "import hatchling.build as b; print(b.build_wheel('/build'))" \
    && /opt/monitor/bin/pip install --no-deps --no-index /build/*.whl \
    && /opt/monitor/bin/python -m compileall -q /opt/monitor/lib \
    && /opt/monitor/bin/pip uninstall --yes pip \
    && /opt/monitor/bin/monitor --version

FROM ${BASE}
RUN PATH="$PATH:/usr/sbin:/sbin" \
    && groupadd --gid 10001 monitor \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin monitor \
    && install --directory --owner 10001 --group 10001 --mode 0700 /data
COPY --from=build /opt/monitor /opt/monitor
ENV PATH=/opt/monitor/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MONITOR_CONFIG=/etc/map-monitor/config.toml \
    MONITOR_DEFAULT__DATA__FOLDER=/data \
    MONITOR_DEFAULT__SITE__LISTEN=0.0.0.0:8000
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
# the sender's heartbeat, not the source's freshness: a dead map is no reason to restart a healthy program
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 CMD ["monitor", "status", "--alive"]
ENTRYPOINT ["monitor"]
CMD ["run"]
