# What the components of a cluster run in: a Debian root file system and our binaries.
FROM scratch
ARG VERSION
LABEL org.opencontainers.image.version=$VERSION
ADD system.tar /
COPY bin/ /usr/local/bin/
