# The service: docs/operating.md says how to run it. `python -m tests.operate` runs these steps in a fresh venv.
FROM python:3.13.12-slim-trixie AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY astra_xr astra_xr
RUN python3 -m venv /opt/astra-xr && /opt/astra-xr/bin/pip install --no-cache-dir ".[service,aws]"

FROM python:3.13.12-slim-trixie
COPY --from=build /opt/astra-xr /opt/astra-xr
# By number, so that an orchestrator sees that it is not root. New volumes take over the owner of these folders.
RUN install -d -o 10001 -g 10001 /var/lib/astra-xr /var/cache/astra-xr
USER 10001:10001
ENV PATH=/opt/astra-xr/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/var/lib/astra-xr \
    ASTRA_KEYS_FILE=/var/lib/astra-xr/keys.json \
    ASTRA_CACHE_DIR=/var/cache/astra-xr
VOLUME ["/var/lib/astra-xr", "/var/cache/astra-xr"]
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s \
    CMD ["python3", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=9)"]
ENTRYPOINT ["astra-xr"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000", "--workers", "2"]
