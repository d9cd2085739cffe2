# ppocr-ft for the CPU, or for NVIDIA cards with --build-arg PADDLE=gpu: docs/docker.md
ARG PYTHON=3.11
FROM python:${PYTHON}-slim-bookworm

# What the wheels of OpenCV and Paddle load of the system. Debian keeps one version of a package.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgl1 libglib2.0-0 libgomp1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd -l --uid 1000 ppocr

COPY setup.py pyproject.toml README.md LICENSE NOTICE /src/
COPY ppocr_ft /src/ppocr_ft/
COPY configs /src/configs/

# cpu or gpu; for gpu also the address of the index that has it
ARG PADDLE=cpu
ARG PIP_EXTRA_INDEX_URL=
RUN python -m pip install --no-cache-dir "/src[${PADDLE},onnx,openvino,tensorboard,visualdl,mlflow]"

# Caches go to where each user may write (docker run --user).
ENV HOME=/tmp
WORKDIR /workspace
USER 1000
ENTRYPOINT ["ppocr-ft"]
CMD ["--help"]
