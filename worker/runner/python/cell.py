"""The inside of a cell: takes one start frame, runs one program, sends one result.

Everything here runs in the same interpreter as the untrusted program, which may take all of it apart. Nothing in this
file is a wall; the worker believes none of it. It exists so that programs behave as in plain CPython and get clear
errors. Standard library names are bound at import, before a program can replace them.
"""

import _socket
import asyncio
import contextvars
import inspect
import linecache
import random
import resource
import sys
import threading
import types

import cell_check
import cell_channel
import cell_report
import cell_surroundings
import cell_tools

PROGRAM_FILE = "workflow.py"
PROGRAM_MODULE = "workflow"
ENTRY_POINT = "execute_workflow"

# A thread's stack counts against the address space; 1 MiB is enough for Python's own recursion limit.
THREAD_STACK_BYTES = 1024 * 1024
# Where a cell finds its socket.
CHANNEL = 3
# Code adapts after a few runs; the last of these changes nothing any more.
REHEARSALS = 30
# In the zygote, what many programs do: imports, patterns, a step, calls side by side, text. Patterns are forgotten each time,
# because a program brings its own. It must not fail: nobody would hear of it.
REHEARSAL = """\
import asyncio
import json
import re
from cell_tools import rehearsed

re.purge()

async def execute_workflow(user_input):
    lines = [line.strip() for line in re.split(r"(?<=[\\w,]);\\s*|\\n(?=[^ -])", user_input) if line.strip()]
    words = {line: sorted(set(re.findall(r"(\\w+)(?:-\\w+)?", line)), key=len) for line in lines}
    with step("Search"):
        found = await asyncio.gather(*(rehearsed(line) for line in user_input.split()))
    pairs = []
    for number, (line, answer) in enumerate(zip(words, found), start=1):
        pairs.append(f"Question {number}: {line}\\nAnswer: {json.dumps([answer])[2:-2]}")
    return "\\n\\n".join(pairs)
"""
# What nearly every program does: text taken apart, something awaited in a loop, text put together. What it writes to is copied into
# each cell ahead, so it does no more than that; a cell that waits rehearses it with a tool.
TYPICAL = """\
import re

re.purge()

async def asked(line):
    return "Answer to: " + line

async def execute_workflow(user_input):
    pairs = []
    for line in [part.strip() for part in re.split(r"(?<=[.!?])\\s+", user_input) if part.strip()]:
        answer = await asked(line)
        pairs.append(f"Question: {line}\\nAnswer: {answer}")
    return "\\n\\n".join(pairs)
"""
TYPICAL_WITH_CALL = "from cell_tools import rehearsed\n" + TYPICAL.replace("await asked", "await rehearsed")
REHEARSAL_BYTES_MAX = 1000
_REPLY = b'{"reply":{"id":1,"outcome":{"value":"y"}}}'
REHEARSAL_REPLY = len(_REPLY).to_bytes(4, "big") + _REPLY
# What a run returns most often; anything else is asked whether it can be awaited.
_PLAIN = (str, dict, list, int, float, bool, type(None))

_runner = None
_channel = None


def prepare(tools, limits, work_folder):
    """In the zygote, once: all that no job decides. Each page that is not written to in a cell is shared by all.

    Returns the descriptors of the event loop: those of selector and self-pipe (reading and writing end). A cell puts
    fresh ones in their places; the objects here know only their numbers.
    """
    global _runner, _channel
    cell_surroundings.prepare(work_folder)
    threading.stack_size(THREAD_STACK_BYTES)
    cell_tools.declare(tools)
    cell_report.declare(limits)
    _channel = cell_channel.Channel(CHANNEL)
    _runner = asyncio.Runner()
    loop = _runner.get_loop()
    # The interpreter adapts code as it runs it. Adapted here, it is shared; adapted in a cell, it is a copy.
    for _ in range(REHEARSALS):
        rehearse(REHEARSAL, "x", 0, REHEARSAL_BYTES_MAX, REHEARSAL_BYTES_MAX)
    return loop._selector.fileno(), loop._ssock.fileno(), loop._csock.fileno()


def settle(work_folder):
    """In the waiting cell: what it cannot share with others."""
    cell_surroundings.settle(work_folder)


def rehearse(program, user_input, seed, result_bytes_max, arguments_bytes_max):
    """Runs a program of no consequence, so that the pages a run writes to are this cell's own before one comes."""
    ours, theirs = _socket.socketpair()
    theirs.send(REHEARSAL_REPLY)
    channel = cell_channel.Channel(ours.fileno())
    _run(channel, program, user_input, seed, result_bytes_max, arguments_bytes_max)
    channel.let_go()
    ours.close()
    theirs.close()
    del sys.modules[PROGRAM_MODULE]


def run(program, user_input, seed, result_bytes_max, arguments_bytes_max):
    """Runs a program to its end and sends the outcome; only looks at it without an input. The caller `_exit`s."""
    _run(_channel, program, user_input, seed, result_bytes_max, arguments_bytes_max)


def _run(channel, program, user_input, seed, result_bytes_max, arguments_bytes_max):
    random.seed(seed)
    try:
        if user_input is None:
            outcome = _checked(program)
        else:
            outcome = _outcome(program, user_input, result_bytes_max, channel, arguments_bytes_max)
    except BaseException as error:  # the program's: whatever it is, it is reported
        # The room above the program's own limit is for this.
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
        outcome = cell_report.raised(error)
    _flush()
    channel.send_bytes(outcome)


def _checked(program):
    source = program.removeprefix("\ufeff")
    return cell_channel.dumps({"checked": cell_check.check(source, PROGRAM_FILE, ENTRY_POINT)})


def _outcome(program, user_input, result_bytes_max, channel, arguments_bytes_max):
    source = program.removeprefix("\ufeff")
    code = cell_check.compiled(source, PROGRAM_FILE)
    module = _module(source)
    cell_tools.connect(module.__dict__, channel, arguments_bytes_max)
    exec(code, module.__dict__)
    entry = module.__dict__.get(ENTRY_POINT)
    if not callable(entry):
        raise cell_check.InvalidCode(cell_check.MISSING_ENTRY_POINT)
    value = entry(user_input)
    if type(value) not in _PLAIN and inspect.isawaitable(value):
        # Not `with`: leaving it would wait for stray tasks and threads; the result goes first, then the process ends.
        value = _runner.run(_awaited(value), context=contextvars.copy_context())
    return _returned(value, result_bytes_max)


async def _awaited(value):
    return await value


def _returned(value, result_bytes_max):
    try:
        result = cell_channel.dumps(value)
    except MemoryError:
        raise
    except UnicodeEncodeError:
        raise cell_report.ResultNotJson("the result holds a lone surrogate, which is not text") from None
    except RecursionError:
        raise cell_report.ResultNotJson("the result is nested too deeply") from None
    except Exception as error:
        raise cell_report.ResultNotJson(f"the result is not JSON: {cell_report.said(error)}") from None
    if len(result) > result_bytes_max:
        return cell_channel.dumps({"too_large": {"result_bytes": len(result)}})
    return b'{"returned":' + result + b"}"


def _module(source):
    """A real module, so that dataclasses, pickle and inspect find what they look for."""
    module = types.ModuleType(PROGRAM_MODULE)
    module.__file__ = PROGRAM_FILE
    sys.modules[PROGRAM_MODULE] = module
    linecache.cache[PROGRAM_FILE] = (len(source), None, source.splitlines(keepends=True), PROGRAM_FILE)
    return module


def _flush():
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        try:
            stream.flush()
        except Exception:
            pass  # the program closed or replaced it
