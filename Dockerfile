# The hub as an image: docs/operations.md, "In a container". It is the Debian package, built and installed.
FROM debian:bookworm-slim AS build
WORKDIR /source
# What does not change with the source comes first, and is kept.
COPY dev .
RUN ./dev prepare
COPY . .
RUN ./dev package

FROM debian:bookworm-slim
# By a number that does not change: volumes keep it, and an orchestrator sees that it is not root.
RUN groupadd --system --gid 7962 syncline \
    && useradd --system --uid 7962 --gid syncline --home-dir /var/lib/syncline --no-create-home syncline
COPY --from=build /source/build/release/syncline_*.deb /tmp/
# Authorities, by which the targets of webhooks are checked.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates /tmp/syncline_*.deb \
    && rm -rf /var/lib/apt/lists/* /tmp/syncline_*.deb
USER 7962:7962
WORKDIR /var/lib/syncline
VOLUME /var/lib/syncline
EXPOSE 7962
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=6s --start-period=60s CMD ["synclined", "ready", "--config", "/etc/syncline/syncline.yaml"]
ENTRYPOINT ["synclined"]
CMD ["serve", "--config", "/etc/syncline/syncline.yaml"]
