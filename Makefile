# make          build ./stepdown, static
# make demo     build it, and show it as PID 1 of a container-like namespace
# make test     run the whole test suite; as root nothing of it is skipped
# make test-faults  let each system call fail in each way, start 10,000 at once, and see it end well
# make test-mutants  break the program in each way, and see a test fail (MUTANTS=REGEXP: only these)
# make test-emulated  run the scripts on each architecture of a release; RELEASE=DIR has it built
# make test-docker  run the images in examples/ and more in a Docker engine
# make bench    measure it beside gosu, setpriv and others; TOOLS=FILE: and your own
# make bench-docker  measure docker run with it, and with --user
# make release  RELEASE_KEY=  all of a release in dist/, of the tag that is checked out
# make release-check      prove what is in dist/
# make release-rehearsal  both, in a clone, with a version and a key that are made up
# make test-release       what has to stop a release, what is stated of advisories, what docs/ says to type
# make reproduce VERSION= build the binaries of a release again, and print their checksums
# make vulncheck  ask the Go vulnerability database about the source
# make lint     go vet, staticcheck, gofumpt, shellcheck, mandoc, actionlint
# make install  DESTDIR= PREFIX=/usr/local LINKS="gosu su-exec" (links only when asked for)

GO      ?= go
DESTDIR ?=
PREFIX  ?= /usr/local
LINKS   ?=
VERSION ?=
OUTPUT  ?= stepdown
RELEASE ?=

# The symbol table stays: govulncheck reads it to tell which functions are in
# the binary. -w leaves out the debugger's data only. Without a build id of Go's,
# the same source is the same bytes also where the go command was built otherwise.
LDFLAGS := -w -buildid= $(if $(VERSION),-X main.version=$(VERSION))

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOFUMPT     := mvdan.cc/gofumpt@v0.12.0
ACTIONLINT  := github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
TAGS        := docker,faults,mutants,release,emulated,packages
SCRIPTS     := .ci/run $(wildcard scripts/*.sh examples/*/*.sh packaging/*/*)

.PHONY: all stepdown demo test test-docker test-faults test-mutants test-emulated test-release bench bench-docker vulncheck lint install clean
.PHONY: release release-check release-rehearsal reproduce

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
	STEPDOWN=$(CURDIR)/stepdown $(GO) test -count=1 -tags faults -run "TestFaults|TestCost" -timeout 25m $(TESTFLAGS) .

test-mutants:
	MUTANTS='$(MUTANTS)' $(GO) test -count=1 -tags mutants -run TestMutants -timeout 10h $(TESTFLAGS) .

test-release: stepdown
	for tool in curl gpg gpgv; do command -v $$tool || apt-get install -y -q --no-install-recommends $$tool; done >/dev/null
	STEPDOWN=$(CURDIR)/stepdown $(GO) test -count=1 -tags release -run TestRelease $(TESTFLAGS) .
	$(GO) -C tools test -count=1 $(TESTFLAGS) ./...

release:
	scripts/release.sh

release-check:
	scripts/release-check.sh

release-rehearsal:
	scripts/release-rehearsal.sh

reproduce:
	@scripts/reproduce.sh '$(VERSION)'

test-emulated:
	command -v qemu-arm-static >/dev/null || apt-get install -y -q --no-install-recommends qemu-user-static >/dev/null
	set -e; dir='$(RELEASE)'; \
	test -n "$$dir" || { dir=$$(mktemp -d); trap 'rm -r "$$dir"' EXIT; scripts/build.sh "$$dir" 0.0.0; }; \
	RELEASE=$$(realpath "$$dir") $(GO) test -count=1 -tags emulated -run TestEmulated -timeout 1h -v $(TESTFLAGS) .

bench: stepdown
	scripts/bench.sh ./stepdown $(BENCHFLAGS)

bench-docker: stepdown
	scripts/with-docker.sh scripts/bench-docker.sh ./stepdown $(BENCHFLAGS)

vulncheck:
	scripts/vulncheck.sh

lint:
	$(GO) vet -tags $(TAGS) ./...
	$(GO) run $(STATICCHECK) -tags $(TAGS) ./...
	$(GO) -C tools vet ./...
	cd tools && $(GO) run $(STATICCHECK) ./...
	@files=$$($(GO) run $(GOFUMPT) -l .) && test -z "$$files" || { echo "gofumpt would change: $$files"; exit 1; }
	shellcheck $(SCRIPTS)
	mandoc -T lint docs/stepdown.1
	$(GO) run $(ACTIONLINT)

install: stepdown
	install -D -m 0755 stepdown $(DESTDIR)$(PREFIX)/bin/stepdown
	install -D -m 0644 docs/stepdown.1 $(DESTDIR)$(PREFIX)/share/man/man1/stepdown.1
	for link in $(LINKS); do ln -sf stepdown $(DESTDIR)$(PREFIX)/bin/$$link; done

clean:
	rm -rf stepdown dist
