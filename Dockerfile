# syntax=docker/dockerfile:1
# docker build --target actor .     coordinator and share-holders, without PyTorch
# docker build --target trainer .   the owners' side, with PyTorch for CPUs
ARG PYTHON=3.11.13-slim-bookworm

FROM python:${PYTHON} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY actors actors
COPY infra infra
COPY protocols protocols
COPY quorate_pytest quorate_pytest
RUN pip wheel --no-deps --wheel-dir /wheels .

FROM build AS installed
RUN python -m venv /opt/quorate \
    && /opt/quorate/bin/pip install -c constraints.txt /wheels/quorate-*.whl

FROM installed AS installed-torch
# The index of CPU builds: PyPI's own come with gigabytes of GPU libraries.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN /opt/quorate/bin/pip install -c constraints.txt --extra-index-url "${TORCH_INDEX}" torch==2.13.0

FROM python:${PYTHON} AS base
# Python looks for packages where they were installed, and nowhere else. numba keeps its machine
# code in /tmp: the root file system is read-only and the code is this processor's anyway.
ENV PATH=/opt/quorate/bin:$PATH PYTHONSAFEPATH=1 PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    NUMBA_CACHE_DIR=/tmp/numba HOME=/tmp
# A new volume takes over the owner of the folder that it is mounted on.
RUN groupadd --gid 10001 quorate \
    && useradd --uid 10001 --gid 10001 --home-dir /home/actor --shell /usr/sbin/nologin quorate \
    && install -d -o quorate -g quorate -m 0700 /home/actor /homes /staging /staging/material \
       /staging/broker /staging/console /staging/trainers /staging/homes \
       /staging/homes/coordinator /staging/homes/holder-1 /staging/homes/holder-2 \
       /staging/homes/holder-3 /staging/homes/holder-4 /staging/homes/holder-5
USER 10001:10001
WORKDIR /home/actor
ENTRYPOINT ["quorate"]
CMD ["--help"]

FROM base AS actor
COPY --from=installed /opt/quorate /opt/quorate

FROM base AS trainer
COPY --from=installed-torch /opt/quorate /opt/quorate
