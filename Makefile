# lbsample: `make sample` shows it at work, `make test` proves it, `make install PREFIX=/usr/local` keeps it.
PREFIX ?= /usr/local
DESTDIR ?=
# Vendors' names of events, where libpfm4 is there to build with.
comma = ,
TEST_FLAGS ?=
TRAITS = $(if $(wildcard /usr/include/perfmon/pfmlib.h),--traits default$(comma)Pfm)
# A fixed address: 94,000 relocations less at each start; `--version` takes half the CPU time. Nobody
# links with the program, so that it names nothing to the loader; and the C++ library of the Swift
# runtime comes into it as far as it is needed, rather than as a whole at each start.
STATIC = .build/static
SWIFT_FLAGS = -c release --static-swift-stdlib -Xlinker -no-pie -Xlinker --no-export-dynamic \
  -Xlinker -L$(STATIC) $(TRAITS)
BINARY = .build/release/lbsample

.PHONY: sample build test test-numa fuzz stops simulate simulate-address simulate-comparisons setup install uninstall bench bench-check compare compare-start format lint tsan \
  coverage examples

sample: build
	$(BINARY) --cpu --net --count 5

build: setup
	@mkdir -p $(STATIC)
	@ln -sf "$$(g++ -print-file-name=libstdc++.a 2>/dev/null || echo none)" $(STATIC)/libstdc++.a
	swift build $(SWIFT_FLAGS) --product lbsample

test: setup
	swift build --build-tests $(TRAITS) $(TEST_FLAGS)
	Scripts/test $(TRAITS) $(TEST_FLAGS)

# Topology, nodes and hotplug on another kernel with two and four NUMA nodes, emulated by qemu.
test-numa: build
	swift build $(SWIFT_FLAGS) --product workload
	Scripts/test-numa $(BINARY)

# Every grammar of a kernel text under libFuzzer and the address sanitizer.
SECONDS_EACH ?= 60
fuzz:
	Scripts/fuzz $(SECONDS_EACH)

# Runs that are stopped at random moments leave nothing behind.
STOPS ?= 200
stops: build
	Scripts/stops $(BINARY) $(STOPS)

# Sampling sessions in virtual time, decided by seeds; one with a fault is printed with the command that
# repeats it: `make simulate SEEDS=1 FIRST=n` shows all that happened.
SEEDS ?= 10000
FIRST ?= 1
simulate: build
	swift build $(SWIFT_FLAGS) --product simulate
	.build/release/simulate $(SEEDS) $(FIRST)

# The same under the address sanitizer, slower: nothing is used once it is freed.
simulate-address: setup
	swift build -c release --sanitize address --scratch-path .build-address --product simulate
	.build-address/release/simulate $(SEEDS) $(FIRST)

# How often comparisons of what is the same find something, and how often they find what is there.
COMPARISONS ?= 1000
simulate-comparisons: build
	swift build $(SWIFT_FLAGS) --product comparisons
	.build/release/comparisons $(COMPARISONS)

setup:
	@Scripts/setup

install: build
	install -D -m 755 $(BINARY) $(DESTDIR)$(PREFIX)/bin/lbsample
	install -D -m 644 collectors.conf $(DESTDIR)$(PREFIX)/share/lbsample/collectors.conf
	install -D -m 644 Documentation/lbsample.1 $(DESTDIR)$(PREFIX)/share/man/man1/lbsample.1
	install -d $(DESTDIR)$(PREFIX)/share/bash-completion/completions \
	  $(DESTDIR)$(PREFIX)/share/zsh/site-functions $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	$(BINARY) --generate-completion-script bash \
	  > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/lbsample
	$(BINARY) --generate-completion-script zsh \
	  > $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_lbsample
	$(BINARY) --generate-completion-script fish \
	  > $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/lbsample.fish

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/lbsample $(DESTDIR)$(PREFIX)/share/lbsample/collectors.conf \
	  $(DESTDIR)$(PREFIX)/share/man/man1/lbsample.1 \
	  $(DESTDIR)$(PREFIX)/share/bash-completion/completions/lbsample \
	  $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_lbsample \
	  $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/lbsample.fish

# Own cost and each collector's sample against the lower bound in C, the speed of parsing, and
# allocations between start and stop, on the release build.
# Short workloads beside `hyperfine -N` and `perf stat`; its record goes into RESULTS.md with the next `make compare`.
compare-start: build
	printf '## Short workloads\n\nWritten by `make compare-start`.\n\n```\n' >Benchmarks/start.md.new
	Benchmarks/compare-start $(BINARY) 15 10 | tee -a Benchmarks/start.md.new
	printf '```\n' >>Benchmarks/start.md.new
	mv Benchmarks/start.md.new Benchmarks/start.md

bench: build
	Benchmarks/compare-floor $(BINARY)
	Benchmarks/compare-floor $(BINARY) 3 100000000 100 --all
	Benchmarks/compare-reads $(BINARY)
	Benchmarks/parse-speed $(BINARY)
	Benchmarks/compare-perf $(BINARY)
	Benchmarks/compare-start $(BINARY)
	Benchmarks/compare-timeline $(BINARY)
	Benchmarks/count-allocations $(BINARY)
	swift build $(SWIFT_FLAGS) --product brackets
	swift build $(SWIFT_FLAGS) --product packets
	.build/release/packets
	Benchmarks/compare-packets $(BINARY)
	set -e; for events in none system workload; do .build/release/brackets 10000 $$events; done

# Every part on its own, against the thresholds that are checked in: time loosely, allocations and system
# calls exactly. `swift package benchmark thresholds update` in Benchmarks writes them anew.
bench-check: setup
	cd Benchmarks && swift package --disable-sandbox benchmark thresholds check --no-progress

# The sampler beside its lower bounds and its peers; writes Benchmarks/RESULTS.md. Takes half an hour and
# a host with nothing else to do; COMPARE=--quick is for a look, --install gets the peers.
compare: build
	swift build $(SWIFT_FLAGS) --product rates
	swift build $(SWIFT_FLAGS) --product brackets
	Benchmarks/compare $(BINARY) $(COMPARE)

# Ring and sampling threads under the thread sanitizer, on the kernel's clock: threads that take turns in
# virtual time have no races.
tsan: setup
	swift build --build-tests --sanitize thread --scratch-path .build-tsan
	Scripts/test --sanitize thread --scratch-path .build-tsan \
	  --filter 'SampleRingTests|SamplerTests.WallClockTests'

# The tests, and the line coverage of the modules that decide: Runner and Sampler at least 85 %.
coverage:
	$(MAKE) test TEST_FLAGS=--enable-code-coverage
	Scripts/coverage .build 85 Runner Sampler

# The package that shows how the libraries are used.
examples: setup
	swift build --package-path Examples/suite
	Examples/suite/.build/debug/suite 2

format:
	swift format --in-place --recursive Package.swift Sources Tests Benchmarks Examples

lint:
	swift format lint --strict --recursive Package.swift Sources Tests Benchmarks Examples
