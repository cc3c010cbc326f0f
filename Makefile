# Thin: the work is in the crates. `make demo` is the way in.
#
# Every target installs missing system packages first (.ci/deps; Debian and Ubuntu, elsewhere it prints what to
# install) and does nothing when they are there.

CARGO ?= cargo

.PHONY: demo run test bench chaos eval deps
.DEFAULT_GOAL := demo

# A description becomes a program and answers, offline, in a throw-away stack.
demo: deps
	$(CARGO) build --release
	target/release/wf demo

# The stack on http://localhost:8000 until Ctrl-C, with the keys of the environment or .env.
run: deps
	$(CARGO) build --release
	exec target/release/wf dev

# All tests: real Redis, real CPython, fakes only of the outside world. At the end: what this machine cannot show.
NOT_RUN := $(CURDIR)/target/not-run
test: deps
	@.ci/deps test
	@mkdir -p target && rm -f $(NOT_RUN) && install -m 666 /dev/null $(NOT_RUN)
	TESTS_NOT_RUN=$(NOT_RUN) $(CARGO) test --workspace
	@sort $(NOT_RUN) | uniq -c | sed 's/^ *\([0-9]*\) NOT RUN/NOT RUN, \1 ×/'
	@echo "not run on this machine: $$(wc -l < $(NOT_RUN))"

# Kills, stops and cuts off everything at random moments under load; one table at the end: `make chaos ROUNDS=100`,
# the same choices again with `SEED=…`. Every round is judged; exit 1 when a promise was broken.
ROUNDS ?= 10
SEED ?=
chaos: deps
	$(CARGO) run --release -q -p tests --example chaos -- $(ROUNDS) $(SEED)

# What things cost beside what others cost, in one table; target/bench/*.json for programs. Ours and theirs alternately:
# bubblewrap, Celery and RQ (from PyPI, kept in target/). Under ten minutes.
bench: deps
	@.ci/deps bench
	$(CARGO) build --release -q
	$(CARGO) bench -q -p wire --bench codec
	$(CARGO) bench -q -p worker --bench cell >/dev/null
	$(CARGO) bench -q -p shared --bench queue >/dev/null
	$(CARGO) bench -q -p tests --bench stack >/dev/null
	@$(CARGO) run --release -q -p report -- cell queue stack

# Debian's own Python with its headers, a Redis that stays off as a service, a C compiler.
deps:
	@.ci/deps

# Every case from its description to its checks, with the configured provider: `make eval EVAL='--samples 3'`.
eval: deps
	$(CARGO) run --release -q -p tests --example eval -- $(EVAL)
