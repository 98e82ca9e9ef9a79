# The command line, the workers and the web server in one image. docs/operations.md explains how it is run.
FROM python:3.11-slim

# Options for pip, such as an index of torch without CUDA: the usual one for Linux is some gigabytes larger.
ARG PIP_OPTIONS=""

WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY auditor auditor
COPY workers workers
COPY cli cli
COPY migrations migrations
RUN python -m pip install --no-cache-dir ${PIP_OPTIONS} --constraint constraints.txt .

RUN useradd --create-home --uid 1000 audit && install --directory --owner=audit --mode=0700 /data
USER audit
WORKDIR /data
ENV DYCK_AUDIT_HOME=/data OMP_NUM_THREADS=1
VOLUME /data

ENTRYPOINT ["dyck-audit"]
CMD ["--help"]
