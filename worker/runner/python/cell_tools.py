"""The names a program finds without import: its tools, `ToolError`, `step`.

Where an event loop runs in the calling thread a tool returns a coroutine, so `await`, `gather`, `create_task` and task
groups all work; anywhere else it blocks and returns its value.
"""

import asyncio
import contextvars
import inspect
import itertools
import queue

import cell_channel

TITLE_CHARS_MAX = 200

_current_step = contextvars.ContextVar("workflow_step", default=None)


class ToolError(Exception):
    """A tool failed for good."""


ToolError.__module__ = "workflow"


_channel = None
_arguments_bytes_max = 0
_step_ids = itertools.count(1)
_names = {}
_LEFT_OUT = object()


def declare(tools):
    """Once, in the zygote: makes the functions of all tools."""
    for tool in tools:
        _names[tool["name"]] = _tool(tool)
    _names.update(ToolError=ToolError, step=step)


def connect(namespace, channel, arguments_bytes_max):
    """Puts the tools, `ToolError` and `step` into a program's namespace."""
    global _channel, _arguments_bytes_max
    _channel, _arguments_bytes_max = channel, arguments_bytes_max
    namespace.update(_names)


def _tool(declaration):
    """A real function with these parameters, so that a wrong call fails as any wrong call."""
    name, parameters = declaration["name"], declaration["parameters"]
    declared = []
    for parameter in parameters:
        if parameter["keyword_only"] and "*" not in declared:
            declared.append("*")
        declared.append(parameter["name"] + ("=_LEFT_OUT" if "default" in parameter else ""))
    given = ", ".join(f"{parameter['name']!r}: {parameter['name']}" for parameter in parameters)
    source = f"def {name}({', '.join(declared)}):\n    return _call({name!r}, {{{given}}})\n"
    scope = {"_call": _call, "_LEFT_OUT": _LEFT_OUT}
    exec(source, scope)
    tool = scope[name]
    tool.__module__ = "workflow"
    tool.__signature__ = inspect.Signature(
        [
            inspect.Parameter(
                parameter["name"],
                inspect.Parameter.KEYWORD_ONLY
                if parameter["keyword_only"]
                else inspect.Parameter.POSITIONAL_OR_KEYWORD,
                default=parameter.get("default", inspect.Parameter.empty),
            )
            for parameter in parameters
        ]
    )
    return tool


def _call(name, arguments):
    given = {key: value for key, value in arguments.items() if value is not _LEFT_OUT}
    encoded = cell_channel.dumps(given)
    if len(encoded) > _arguments_bytes_max:
        raise ToolError(
            f"{name}: the arguments take {len(encoded)} bytes; the limit is {_arguments_bytes_max} bytes"
        )
    step = _current_step.get()
    message = b'"tool":%s,"arguments":%s,"step":%s' % (
        cell_channel.dumps(name),
        encoded,
        cell_channel.dumps(step),
    )
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return _blocking(_channel, message)
    return _awaiting(_channel, message)


async def _awaiting(channel, message):
    loop = asyncio.get_running_loop()
    future = loop.create_future()

    def settle(outcome):
        if not future.done():
            future.set_result(outcome)

    channel.request(message, settle, loop)
    return _value(await future)


def _blocking(channel, message):
    answers = queue.SimpleQueue()
    channel.request(message, answers.put)
    return _value(answers.get())


def _value(outcome):
    if "error" in outcome:
        raise ToolError(outcome["error"])
    return outcome["value"]


# The tool of rehearsals.
rehearsed = _tool({"name": "rehearsed", "parameters": [{"name": "query", "keyword_only": False}]})


class step:
    """`with step("Search"):` (or `async with`) names a stretch of the run."""

    def __init__(self, title):
        self.title = str(title)[:TITLE_CHARS_MAX].encode("utf-8", "replace").decode("utf-8")
        self._entered = []

    def __enter__(self):
        step_id, parent = next(_step_ids), _current_step.get()
        _channel.send({"entered": {"id": step_id, "parent": parent, "title": self.title}})
        _current_step.set(step_id)
        self._entered.append((step_id, parent))
        return self

    def __exit__(self, kind, error, traceback):
        step_id, parent = self._entered.pop()
        _current_step.set(parent)
        _channel.send({"left": {"id": step_id, "failed": kind is not None}})
        return False

    async def __aenter__(self):
        return self.__enter__()

    async def __aexit__(self, kind, error, traceback):
        return self.__exit__(kind, error, traceback)


step.__module__ = "workflow"
