# Built and run without a network at run time; everything that is kept is in the one volume /data.
# Dependencies and program are layers of their own: a release ships the program only.
ARG BASE=docker.io/library/python:3.11-slim
FROM ${BASE} AS build
WORKDIR /build
# bytecode that does not depend on times or on the order of sets, so that two builds are equal
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1
RUN apt-get update && apt-get install --yes --no-install-recommends binutils
COPY requirements/run.txt requirements/build.txt requirements/
RUN python3 -m venv /opt/builder \
    && /opt/builder/bin/pip install --require-hashes -r requirements/build.txt \
    && python3 -m venv --without-pip /opt/monitor \
    && /opt/builder/bin/pip --python /opt/monitor/bin/python install --no-compile --require-hashes --only-binary :all: -r requirements/run.txt
COPY tools/slim_packages.py tools/
RUN python3 tools/slim_packages.py /opt/monitor/lib/python3.*/site-packages \
    && find /opt/monitor -name '*.so' -exec strip --strip-unneeded {} + \
    && /opt/monitor/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/monitor/lib
COPY pyproject.toml README.md LICENSE NOTICE config.example.toml ./
COPY alembic alembic
COPY monitor monitor
COPY tools/pack_texts.py tools/
RUN /opt/builder/bin/python -c "import hatchling.build as b; print(b.build_wheel('/build'))" \
    && /opt/builder/bin/pip --python /opt/monitor/bin/python install --no-compile --no-deps --no-index --prefix /opt/program /build/*.whl \
    && /opt/monitor/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/program/lib
# every module can be imported without what was removed
RUN cd / && PYTHONPATH="$(echo /opt/program/lib/python3.*/site-packages)" /opt/monitor/bin/python -c "import importlib, pkgutil, monitor, psycopg, sqlalchemy.dialects.postgresql.psycopg; [importlib.import_module(found.name) for found in pkgutil.walk_packages(monitor.__path__, 'monitor.') if '.alembic' not in found.name]"

FROM ${BASE}
RUN echo 'monitor:x:10001:' >>/etc/group \
    && echo 'monitor:x:10001:10001:Map Monitor:/data:/usr/sbin/nologin' >>/etc/passwd \
    && mkdir -m 0700 /data && chown 10001:10001 /data
COPY --from=build /opt/monitor /opt/monitor
COPY --from=build /opt/program /opt/monitor
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
ARG BASE
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Map Monitor" \
      org.opencontainers.image.description="Watches official lists of law-enforcement agencies and alerts residents by email and Telegram" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${BASE}"
