# lbsample: `make sample` shows it at work, `make test` proves it, `make install PREFIX=/usr/local` keeps it.
PREFIX ?= /usr/local
DESTDIR ?=
# Vendors' names of events, where libpfm4 is there to build with.
comma = ,
TEST_FLAGS ?=
TRAITS = $(if $(wildcard /usr/include/perfmon/pfmlib.h),--traits default$(comma)Pfm)
# The package manager gives the compiler the traits in the order of a hash table, which differs from
# process to process without this: two builds in three would compile everything anew.
SWIFT = SWIFT_DETERMINISTIC_HASHING=1 swift
# A fixed address: 94,000 relocations less at each start; `--version` takes half the CPU time. Nobody
# links with the program, so that it names nothing to the loader; and the C++ library of the Swift
# runtime comes into it as far as it is needed, rather than as a whole at each start.
STATIC = .build/static
SWIFT_FLAGS = -c release --static-swift-stdlib -Xlinker -no-pie -Xlinker --no-export-dynamic \
  -Xlinker -L$(STATIC) $(TRAITS)
BINARY = .build/release/lbsample

.PHONY: sample build test test-numa fuzz attack stops power-loss simulate simulate-address simulate-comparisons setup install uninstall bench bench-check compare compare-same compare-start compare-stores compare-reports format lint tsan \
  coverage examples docs screens

sample: build
	$(BINARY) --cpu --net --count 5

build: setup
	@mkdir -p $(STATIC)
	@ln -sf "$$(g++ -print-file-name=libstdc++.a 2>/dev/null || echo none)" $(STATIC)/libstdc++.a
	$(SWIFT) build $(SWIFT_FLAGS) --product lbsample

test: setup
	$(SWIFT) build --build-tests $(TRAITS) $(TEST_FLAGS)
	Scripts/test $(TRAITS) $(TEST_FLAGS)

# Topology, nodes and hotplug on another kernel with two and four NUMA nodes, emulated by qemu.
test-numa: build
	$(SWIFT) build $(SWIFT_FLAGS) --product workload
	Scripts/test-numa $(BINARY)

# Every grammar and decoder under libFuzzer and the address sanitizer: SECONDS_EACH, or as often as EXECUTIONS
# says (a number, or `each` for the number that is a target's own). TARGETS are some of them by name.
SECONDS_EACH ?= 60
EXECUTIONS ?=
TARGETS ?=
fuzz: build
	Scripts/fuzz "$(SECONDS_EACH)" "$(EXECUTIONS)" $(TARGETS)

# Hostile users, files and hosts against the release binary: every case in Tests/Attack, and of each kind TRIES
# others that SEED makes. ONLY is a kind, or KIND:CASE; PATIENCE times the limits of time, for a busy host.
TRIES ?= 100
SEED ?= 1
ONLY ?=
PATIENCE ?= 1
attack: build
	$(SWIFT) build $(SWIFT_FLAGS) --product attack
	PATIENCE=$(PATIENCE) .build/release/attack $(BINARY) $(TRIES) $(SEED) $(ONLY)

# Runs that are stopped at random moments leave nothing behind.
STOPS ?= 200
stops: build
	Scripts/stops $(BINARY) $(STOPS)

# The power fails, in a simulation, at so many points of recordings: what is left opens, with what was
# promised. 40 points take a minute.
POINTS ?= 500
power-loss: build
	Scripts/power-loss $(BINARY) $(POINTS)

# Sampling sessions in virtual time, decided by seeds; one with a fault is printed with the command that
# repeats it: `make simulate SEEDS=1 FIRST=n` shows all that happened.
SEEDS ?= 10000
FIRST ?= 1
simulate: build
	$(SWIFT) build $(SWIFT_FLAGS) --product simulate
	.build/release/simulate $(SEEDS) $(FIRST)

# The same under the address sanitizer, slower: nothing is used once it is freed.
simulate-address: setup
	$(SWIFT) build -c release --sanitize address --scratch-path .build-address --product simulate
	.build-address/release/simulate $(SEEDS) $(FIRST)

# How often comparisons of what is the same find something, and how often they find what is there: simulated
# designs, each with its target, into Benchmarks/comparisons.md. Fails where a target is missed. 1,000 take a
# quarter of an hour.
COMPARISONS ?= 1000
simulate-comparisons: build
	$(SWIFT) build $(SWIFT_FLAGS) --product comparisons
	printf '# Simulated comparisons\n\nWritten by `make simulate-comparisons`.\n\n' >Benchmarks/comparisons.md.new
	.build/release/comparisons $(COMPARISONS) >>Benchmarks/comparisons.md.new; status=$$?; \
	  cat Benchmarks/comparisons.md.new && mv Benchmarks/comparisons.md.new Benchmarks/comparisons.md && exit $$status

# How often a command that is compared with itself on this host is said to differ; a quarter of an hour.
PAIRS ?= 10
SAME ?= 200
ORDER ?= interleaved
compare-same: build
	Benchmarks/compare-same $(BINARY) $(SAME) $(PAIRS) $(ORDER)

setup:
	@Scripts/setup

install: build
	install -D -m 755 $(BINARY) $(DESTDIR)$(PREFIX)/bin/lbsample
	install -D -m 644 collectors.conf $(DESTDIR)$(PREFIX)/share/lbsample/collectors.conf
	install -d $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/man/man5
	install -m 644 Documentation/*.1 $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 644 Documentation/*.5 $(DESTDIR)$(PREFIX)/share/man/man5
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
	  $(patsubst Documentation/%.1,$(DESTDIR)$(PREFIX)/share/man/man1/%.1,$(wildcard Documentation/*.1)) \
	  $(patsubst Documentation/%.5,$(DESTDIR)$(PREFIX)/share/man/man5/%.5,$(wildcard Documentation/*.5)) \
	  $(DESTDIR)$(PREFIX)/share/bash-completion/completions/lbsample \
	  $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_lbsample \
	  $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/lbsample.fish

# What it takes to list 10,000 runs, and to show and export a run of 10,000 repetitions.
compare-stores: build
	Benchmarks/compare-stores --lbsample $(BINARY)

# What a page and a view of as many samples cost as an hour of --all at 100 ms has.
compare-reports: build
	Benchmarks/compare-reports $(BINARY)

# Short workloads beside `hyperfine -N` and `perf stat`; its record goes into RESULTS.md with the next `make compare`.
compare-start: build
	printf '## Short workloads\n\nWritten by `make compare-start`.\n\n```\n' >Benchmarks/start.md.new
	Benchmarks/compare-start $(BINARY) 15 10 | tee -a Benchmarks/start.md.new
	printf '```\n' >>Benchmarks/start.md.new
	mv Benchmarks/start.md.new Benchmarks/start.md

# Own cost and each collector's sample against the lower bound in C, the speed of parsing, and
# allocations between start and stop, on the release build.
bench: build
	Benchmarks/compare-floor $(BINARY)
	Benchmarks/compare-floor $(BINARY) 3 100000000 100 --all
	Benchmarks/compare-reads $(BINARY)
	Benchmarks/parse-speed $(BINARY)
	Benchmarks/compare-perf $(BINARY)
	Benchmarks/compare-start $(BINARY)
	Benchmarks/compare-timeline $(BINARY)
	Benchmarks/count-allocations $(BINARY)
	$(SWIFT) build $(SWIFT_FLAGS) --product brackets
	$(SWIFT) build $(SWIFT_FLAGS) --product packets
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
	$(SWIFT) build $(SWIFT_FLAGS) --product rates
	$(SWIFT) build $(SWIFT_FLAGS) --product brackets
	Benchmarks/compare $(BINARY) $(COMPARE)

# Ring and sampling threads under the thread sanitizer, on the kernel's clock: threads that take turns in
# virtual time have no races.
tsan: setup
	LBSAMPLE_TESTED=SampleRing,Sampler $(SWIFT) build --build-tests --sanitize thread --scratch-path .build-tsan
	LBSAMPLE_TESTED=SampleRing,Sampler Scripts/test --sanitize thread --scratch-path .build-tsan \
	  --filter 'SampleRingTests|SamplerTests.WallClockTests'

# The tests, and the line coverage of the modules that decide: Runner and Sampler at least 85 %.
coverage:
	$(MAKE) test TEST_FLAGS=--enable-code-coverage
	Scripts/coverage .build 85 Runner Sampler

# The package that shows how the libraries are used.
examples: build
	$(SWIFT) build --package-path Examples/suite
	Examples/suite/.build/debug/measure
	Examples/suite/.build/debug/suite 2
	Examples/sort-locales $(BINARY)

# What is made from the command's own words: the man pages (with docs/reference), the tables of the collectors and of
# the settings, and collectors.conf; and the lists of the libraries' public declarations. `.ci/run` checks that all
# are current.
docs: build
	$(BINARY) config keys --format toml > collectors.conf
	Scripts/reference $(BINARY) docs/reference/collectors.md docs/reference/configuration.md docs/reference/plans.md
	Scripts/manual $(BINARY) Documentation
	$(SWIFT) build $(TRAITS) --target RunnerKit
	Scripts/interface .build/debug

# The pictures of README.md, from what the command prints. On a host with nothing else to do.
screens: build
	Scripts/screens $(BINARY) docs/images

format:
	swift format --in-place --recursive Package.swift Sources Tests Fuzz Benchmarks Examples

lint:
	swift format lint --strict --recursive Package.swift Sources Tests Fuzz Benchmarks Examples
