# The page and the HTTP API: `docker build -t backbeat .`, then see docs/web.md.

FROM python:3.11-slim-bookworm AS build
WORKDIR /backbeat
RUN python -m venv /opt/backbeat
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# What backbeat needs comes first: this layer is built again only if the versions change.
COPY pyproject.toml constraints.txt README.md LICENSE NOTICE ./
COPY src/backbeat/__init__.py src/backbeat/
RUN /opt/backbeat/bin/pip install --constraint constraints.txt '.[web]'
COPY src src
# The packages' own tests, and pip, are never run in the image.
RUN /opt/backbeat/bin/pip install --no-deps --force-reinstall . \
    && /opt/backbeat/bin/pip uninstall --yes pip setuptools \
    && find /opt/backbeat -type d -name tests -prune -exec rm -r {} +

FROM python:3.11-slim-bookworm
LABEL org.opencontainers.image.title="backbeat" \
      org.opencontainers.image.description="Predicts music genres with calibrated probabilities" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/backbeat /opt/backbeat
ENV PATH=/opt/backbeat/bin:$PATH PYTHONUNBUFFERED=1
# A number, so that an orchestrator can see that it is not root; it owns no file in the image.
USER 10001:10001
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:7860/api/health', timeout=4)"]
ENTRYPOINT ["backbeat"]
CMD ["serve", "--host", "0.0.0.0"]
