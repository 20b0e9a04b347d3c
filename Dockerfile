# An image that holds stepdown and nothing else, for other images to copy it from:
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
RUN make VERSION=$VERSION

FROM scratch
COPY --from=build /src/stepdown /stepdown
ENTRYPOINT ["/stepdown"]
