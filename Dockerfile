# The service in a container, without anything that is secret: docker build -t recessive .
FROM python:3.12-slim AS build

# torch for processors; for a GPU: --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu126
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV PATH=/opt/recessive/bin:$PATH PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
# A layer of its own, so that changed code does not fetch torch again.
RUN python -m venv /opt/recessive && pip install --index-url "$TORCH_INDEX" "torch>=2.6,<2.14"
WORKDIR /build
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN pip install ".[serve,heif]"


FROM python:3.12-slim

RUN useradd --system --uid 10001 --no-create-home recessive \
 && install --directory --owner=10001 --group=0 --mode=0700 /var/lib/recessive
COPY --from=build /opt/recessive /opt/recessive
# Nothing is written outside the folder and /tmp: the container may be read-only.
ENV PATH=/opt/recessive/bin:$PATH HOME=/tmp PYTHONDONTWRITEBYTECODE=1
USER 10001
VOLUME /var/lib/recessive
WORKDIR /var/lib/recessive
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD ["python", "-c", "import http.client as h; c = h.HTTPConnection('127.0.0.1', 8000, timeout=4); c.request('GET', '/health'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["recessive"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000", "--folder", "/var/lib/recessive"]
