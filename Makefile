# Thin: the work is in the crates. `make demo` is the way in.
#
# Every target installs missing system packages first (.ci/deps; Debian and Ubuntu, elsewhere it prints what to
# install) and does nothing when they are there.

CARGO ?= cargo

.PHONY: demo run test deps
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
	$(CARGO) test --workspace

# Debian's own Python with its headers, a Redis that stays off as a service, a C compiler.
deps:
	@.ci/deps
