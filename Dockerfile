# The command nem2e in a container. It was not built or run where this package is developed.
#
#     docker build -t nem2e .
#     docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/data" nem2e estimate --help
#
# OpenSim and ezc3d have wheels for Linux on x86-64 alone.
FROM --platform=linux/amd64 python:3.12-slim

COPY . /source
RUN pip install --no-cache-dir /source && rm -rf /source \
    && useradd --create-home nem2e \
    && mkdir /data && chown nem2e /data

# Fitted muscle paths and plots' fonts are kept there, whoever runs it.
ENV NEM2E_CACHE=/tmp/nem2e MPLCONFIGDIR=/tmp/matplotlib
USER nem2e
WORKDIR /data
ENTRYPOINT ["nem2e"]
