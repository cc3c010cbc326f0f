# One image for both services; docker-compose.yml says which program a container runs.
#
# Debian bookworm on both sides: the runner embeds the distribution's own Python and refuses to start on another
# version than it was built for, so the build and the runtime stage must be the same release. The programs stay
# side by side: they find each other beside their own executable and refuse another build's.

FROM rust:1.95-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3 libpython3-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# The caches keep crates and objects between builds; they are not part of the image, so the programs are copied out.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --workspace --bins \
    && mkdir /out && cp target/release/api target/release/worker target/release/runner target/release/wf /out/

FROM debian:bookworm-slim
# python3: the standard library that programs see. libpython3.11: what the runner is linked with. ca-certificates:
# the providers speak TLS.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates libpython3.11 python3 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --create-home workflows
COPY --from=build /out/ /opt/workflows/bin/
COPY examples/documents/ /opt/workflows/documents/
ENV PATH=/opt/workflows/bin:$PATH \
    SEARCH_DOCUMENTS=/opt/workflows/documents
USER workflows
WORKDIR /home/workflows
EXPOSE 8000
CMD ["api"]
