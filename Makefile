# make          build ./stepdown, static
# make demo     build it, and show it as PID 1 of a container-like namespace
# make test     run the whole test suite; as root nothing of it is skipped
# make test-faults  let each system call fail in each way, and see it end well
# make test-docker  run the images in examples/ and more in a Docker engine
# make lint     go vet, staticcheck, gofumpt, shellcheck, mandoc
# make install  DESTDIR= PREFIX=/usr/local LINKS="gosu su-exec" (links only when asked for)

GO      ?= go
DESTDIR ?=
PREFIX  ?= /usr/local
LINKS   ?=
VERSION ?=
OUTPUT  ?= stepdown

# The symbol table stays: govulncheck reads it to tell which functions are in
# the binary. -w leaves out the debugger's data only. Without a build id of Go's,
# the same source is the same bytes also where the go command was built otherwise.
LDFLAGS := -w -buildid= $(if $(VERSION),-X main.version=$(VERSION))

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOFUMPT     := mvdan.cc/gofumpt@v0.12.0
SCRIPTS     := .ci/run $(wildcard scripts/*.sh examples/*/*.sh packaging/*/*)

.PHONY: all stepdown demo test test-docker test-faults lint install clean

all: stepdown

stepdown:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o '$(OUTPUT)' .

demo: stepdown
	scripts/demo.sh ./stepdown

test: stepdown
	STEPDOWN=$(CURDIR)/stepdown $(GO) test -count=1 $(TESTFLAGS) .

test-docker: stepdown
	scripts/with-docker.sh env STEPDOWN=$(CURDIR)/stepdown \
		$(GO) test -count=1 -tags docker -run TestDocker -timeout 25m $(TESTFLAGS) .

test-faults: stepdown
	command -v strace >/dev/null || apt-get install -y -q --no-install-recommends strace >/dev/null
	STEPDOWN=$(CURDIR)/stepdown $(GO) test -count=1 -tags faults -run TestFaults -timeout 25m $(TESTFLAGS) .

lint:
	$(GO) vet -tags docker,faults,packages ./...
	$(GO) run $(STATICCHECK) -tags docker,faults,packages ./...
	@files=$$($(GO) run $(GOFUMPT) -l .) && test -z "$$files" || { echo "gofumpt would change: $$files"; exit 1; }
	shellcheck $(SCRIPTS)
	mandoc -T lint docs/stepdown.1

install: stepdown
	install -D -m 0755 stepdown $(DESTDIR)$(PREFIX)/bin/stepdown
	install -D -m 0644 docs/stepdown.1 $(DESTDIR)$(PREFIX)/share/man/man1/stepdown.1
	for link in $(LINKS); do ln -sf stepdown $(DESTDIR)$(PREFIX)/bin/$$link; done

clean:
	rm -f stepdown
