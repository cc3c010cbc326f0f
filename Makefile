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

# All tests: real Redis, real CPython, fakes only of the outside world.
test: deps
	@.ci/deps test
	$(CARGO) test --workspace

# Kills, stops and cuts off everything at random moments under load; one table at the end: `make chaos ROUNDS=100`,
# the same choices again with `SEED=…`. Every round is judged; exit 1 when a promise was broken.
ROUNDS ?= 10
SEED ?=
chaos: deps
	$(CARGO) run --release -q -p tests --example chaos -- $(ROUNDS) $(SEED)

# What things cost, in one table; target/bench/*.json for those who compare. bubblewrap is only there to be beaten.
bench: deps
	@command -v bwrap >/dev/null || echo "bwrap is missing (apt-get install bubblewrap): its row will say NOT RUN" >&2
	$(CARGO) bench -q -p worker --bench cell

# Debian's own Python with its headers, a Redis that stays off as a service, a C compiler.
deps:
	@.ci/deps

# Every case from its description to its checks, with the configured provider: `make eval EVAL='--samples 3'`.
eval: deps
	$(CARGO) run --release -q -p tests --example eval -- $(EVAL)
