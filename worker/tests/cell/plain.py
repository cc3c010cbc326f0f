"""Runs a program in a plain interpreter the way a cell runs it: `plain.py INPUT < PROGRAM`, its result as JSON."""
import asyncio
import inspect
import json
import linecache
import os
import random
import sys
import types

source, user_input = sys.stdin.read(), sys.argv[1]
sys.argv[:] = ["workflow.py"]
out = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
module = sys.modules["workflow"] = types.ModuleType("workflow")
module.__file__ = "workflow.py"
linecache.cache["workflow.py"] = (len(source), None, source.splitlines(keepends=True), "workflow.py")
random.seed(7)
exec(compile(source, "workflow.py", "exec", dont_inherit=True), module.__dict__)
value = module.execute_workflow(user_input)


async def awaited(value):
    return await value


if inspect.isawaitable(value):
    value = asyncio.run(awaited(value))
json.dump(value, out)
out.flush()
