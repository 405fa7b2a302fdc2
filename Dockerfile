# One image for all components of a Primary Server: web, worker, beat, agent, and manage.py.
# docker build -t zcc .
FROM docker.io/library/python:3.13-slim-trixie AS build
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never
RUN pip install --no-cache-dir "uv>=0.8"
WORKDIR /opt/zcc
COPY pyproject.toml uv.lock README.md ./
RUN uv sync --frozen --no-dev
COPY . .
# The packages of the agent, which the console offers to devices.
RUN uv sync --frozen --no-dev --group packages \
    && .venv/bin/python -m systemupdates.downloads.packages && rm dist/zman.pyz dist/*.whl \
    && uv sync --frozen --no-dev
# The settings require a data directory. The build does not write to it.
RUN ZCC_HOME=/nonexistent ZCC_STATIC_ROOT=/opt/zcc/static-files \
    .venv/bin/python manage.py collectstatic --noinput --verbosity 0 \
    && .venv/bin/python -m compileall -q administrators audit certificates console devices faults notifications pki systemupdates wire zac zcc zman

FROM docker.io/library/python:3.13-slim-trixie
RUN groupadd --gid 10001 zcc \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/zcc --shell /usr/sbin/nologin zcc \
    && install -d -o zcc -g zcc -m 0700 /var/lib/zcc /var/lib/zcc-ca
# pg_dump and pg_restore for backups, in the version of the database image.
RUN apt-get update \
    && apt-get install --no-install-recommends --yes postgresql-client \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/zcc /opt/zcc
ENV PATH=/opt/zcc/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 MALLOC_ARENA_MAX=1 \
    DJANGO_SETTINGS_MODULE=zcc.settings \
    ZCC_HOME=/var/lib/zcc ZCC_SERVER_HOME=/var/lib/zcc/server ZCC_CA_VAULT=/var/lib/zcc-ca ZCC_STATIC_ROOT=/opt/zcc/static-files
WORKDIR /opt/zcc
USER 10001:10001
VOLUME /var/lib/zcc
CMD ["python", "-m", "zcc.start", "web"]
