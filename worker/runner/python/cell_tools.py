"""The names a program finds without import: its tools, `ToolError`, `step`.

Where an event loop runs in the calling thread a tool returns a coroutine, so `await`, `gather`, `create_task` and task
groups all work; anywhere else it blocks and returns its value.
"""

import asyncio
import builtins
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


def declare(namespace, tools, channel, arguments_bytes_max):
    """Puts the tools, `ToolError` and `step` into a program's namespace, and where its modules find them."""
    names = {tool["name"]: _tool(tool, channel, arguments_bytes_max) for tool in tools}
    names["ToolError"] = ToolError
    names["step"] = _step_class(channel)
    namespace.update(names)


def _tool(declaration, channel, arguments_bytes_max):
    name = declaration["name"]
    signature = inspect.Signature(
        [
            inspect.Parameter(
                parameter["name"],
                inspect.Parameter.KEYWORD_ONLY
                if parameter["keyword_only"]
                else inspect.Parameter.POSITIONAL_OR_KEYWORD,
                default=parameter.get("default", inspect.Parameter.empty),
            )
            for parameter in declaration["parameters"]
        ]
    )

    def tool(*args, **kwargs):
        try:
            arguments = signature.bind(*args, **kwargs).arguments
        except TypeError as error:
            raise TypeError(f"{name}(): {error}") from None
        try:
            encoded = cell_channel.dumps(dict(arguments))
        except (TypeError, ValueError) as error:
            raise type(error)(*error.args) from None
        if len(encoded) > arguments_bytes_max:
            raise ToolError(
                f"{name}: the arguments take {len(encoded)} bytes; the limit is {arguments_bytes_max} bytes"
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
            return _blocking(channel, message)
        return _awaiting(channel, message)

    tool.__name__ = tool.__qualname__ = name
    tool.__module__ = "workflow"
    tool.__signature__ = signature
    return tool


async def _awaiting(channel, message):
    loop = asyncio.get_running_loop()
    future = loop.create_future()

    def settle(outcome):
        if not future.done():
            future.set_result(outcome)

    def deliver(outcome):
        try:
            loop.call_soon_threadsafe(settle, outcome)
        except RuntimeError:
            pass  # the loop was closed; nobody waits any more

    channel.request(message, deliver)
    return _value(await future)


def _blocking(channel, message):
    answers = queue.SimpleQueue()
    channel.request(message, answers.put)
    return _value(answers.get())


def _value(outcome):
    if "error" in outcome:
        raise ToolError(outcome["error"])
    return outcome["value"]


def _step_class(channel):
    ids = itertools.count(1)

    class step:
        """`with step("Search"):` (or `async with`) names a stretch of the run."""

        def __init__(self, title):
            self.title = str(title)[:TITLE_CHARS_MAX].encode("utf-8", "replace").decode("utf-8")
            self._entered = []

        def __enter__(self):
            step_id, parent = next(ids), _current_step.get()
            channel.send({"entered": {"id": step_id, "parent": parent, "title": self.title}})
            _current_step.set(step_id)
            self._entered.append((step_id, parent))
            return self

        def __exit__(self, kind, error, traceback):
            step_id, parent = self._entered.pop()
            _current_step.set(parent)
            channel.send({"left": {"id": step_id, "failed": kind is not None}})
            return False

        async def __aenter__(self):
            return self.__enter__()

        async def __aexit__(self, kind, error, traceback):
            return self.__exit__(kind, error, traceback)

    step.__module__ = "workflow"
    step.__qualname__ = "step"
    return step
