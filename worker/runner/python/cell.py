"""The inside of a cell: takes one start frame, runs one program, sends one result.

Everything here runs in the same interpreter as the untrusted program, which may take all of it apart. Nothing in this
file is a wall; the worker believes none of it. It exists so that programs behave as in plain CPython and get clear
errors. Standard library names are bound at import, before a program can replace them.
"""

import asyncio
import inspect
import json
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
# Room to report a MemoryError in, on top of the program's own limit.
REPORT_MEMORY_BYTES = 16 * 1024 * 1024

_runner = None


def warm(work_folder):
    """Does, in the waiting cell, what needs no job: a loop of its own, buffers, surroundings."""
    global _runner
    cell_surroundings.prepare(work_folder)
    threading.stack_size(THREAD_STACK_BYTES)
    _runner = asyncio.Runner()
    _rehearse()


class _Silent:
    """A channel nobody listens to."""

    def send(self, message):
        cell_channel.dumps(message)


def _rehearse():
    """Runs a program of no consequence, so that the pages a run writes to are this cell's own before one comes."""
    start = {
        "program": "async def execute_workflow(user_input):\n    return [user_input]\n",
        "task": {"execute": {"user_input": ""}},
        "tools": [{"name": "rehearse", "parameters": [{"name": "text", "keyword_only": False}]}],
    }
    random.seed(0)
    _outcome(start, _Silent(), {"result_bytes_max": 100, "arguments_bytes_max": 100})
    json.loads(json.dumps(start))
    del sys.modules[PROGRAM_MODULE]


def rehearse_and_forget():
    """In the zygote: nothing of it stays but adapted code. No loop may stay open, cells would share its descriptors."""
    global _runner
    with asyncio.Runner() as _runner:
        _rehearse()
    _runner = None
    asyncio.set_event_loop(None)


def run(start_json, channel_fd, base_memory_bytes):
    """Runs the program of a start frame to its end and sends the outcome. The caller `_exit`s."""
    start = json.loads(start_json)["start"]
    channel = cell_channel.Channel(channel_fd)
    limits = start["limits"]
    soft = base_memory_bytes + limits["memory_bytes_max"]
    hard = soft + REPORT_MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    resource.setrlimit(resource.RLIMIT_CPU, (limits["cpu_secs"], limits["cpu_secs"]))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limits["file_bytes_max"], limits["file_bytes_max"]))
    random.seed(start["seed"])
    try:
        outcome = _outcome(start, channel, limits)
    except BaseException as error:  # the program's: whatever it is, it is reported
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
        outcome = cell_report.raised(error)
    _flush()
    channel.send_bytes(outcome)


def _outcome(start, channel, limits):
    channel.send("begun")
    source = start["program"].removeprefix("\ufeff")
    if start["task"] == "check":
        return cell_channel.dumps({"checked": cell_check.check(source, PROGRAM_FILE, ENTRY_POINT)})
    code = cell_check.compiled(source, PROGRAM_FILE)
    module = _module(source)
    cell_tools.declare(module.__dict__, start["tools"], channel, limits["arguments_bytes_max"])
    exec(code, module.__dict__)
    entry = module.__dict__.get(ENTRY_POINT)
    if not callable(entry):
        raise cell_check.InvalidCode(cell_check.MISSING_ENTRY_POINT)
    value = entry(start["task"]["execute"]["user_input"])
    if inspect.isawaitable(value):
        # Not `with`: leaving it would wait for stray tasks and threads; the result goes first, then the process ends.
        value = _runner.run(_awaited(value))
    return _returned(value, limits["result_bytes_max"])


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
