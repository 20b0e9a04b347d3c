# An image for other images to copy stepdown from, built from this source: it holds
# /stepdown, the same file as /gosu, and the licences. (Dockerfile.release makes it
# of the released binaries.)
#
#	docker build -t stepdown .
#
#	COPY --from=stepdown /stepdown /usr/local/bin/
#
# The version has to be given, for the version control data stays outside of the
# build (.dockerignore): --build-arg VERSION=1.2.3.
ARG GO_IMAGE=golang:1.26-bookworm

FROM $GO_IMAGE AS build
WORKDIR /src
# The modules before the source, so that a change there does not fetch them again.
COPY go.mod go.sum ./
RUN go mod download
COPY Makefile *.go ./
ARG VERSION
RUN make VERSION=$VERSION OUTPUT=/image/stepdown && ln /image/stepdown /image/gosu
COPY LICENSE packaging/copyright /image/licenses/

FROM scratch
# A directory, and not file by file: /gosu stays a hard link to /stepdown.
COPY --from=build /image/ /
LABEL org.opencontainers.image.title="stepdown" \
	org.opencontainers.image.description="run a command as another user, for the entrypoints of containers" \
	org.opencontainers.image.licenses="Apache-2.0 AND BSD-2-Clause AND BSD-3-Clause"
ENTRYPOINT ["/stepdown"]
