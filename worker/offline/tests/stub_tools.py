"""Runs one program with stand-in tools and prints what it did as JSON: stub_tools.py PROGRAM < INPUT

A search answers "found(QUERY)", fails on queries with "broken" and finds nothing for queries with "unknown".
A prompt is answered by the first of its words that decides (labels, numbers), otherwise by "said(LAST LINE)".
"""

import asyncio
import contextlib
import json
import re
import signal
import sys

signal.alarm(20)  # a program that hangs fails its test


class ToolError(Exception):
    pass


searches, prompts, steps = [], [], []


async def paradigm_search(query):
    searches.append(query)
    await asyncio.sleep(0)
    if "broken" in query:
        raise ToolError("search failed")
    if "unknown" in query:
        return "NOT_FOUND: no document answers this question."
    price = re.search(r"price of (\w+)", query)
    return f"It costs {len(price[1]) * 1000 + 0.5:,} EUR (ref. 7)" if price else f"found({query})"


async def chat_completion(prompt):
    prompts.append(prompt)
    await asyncio.sleep(0)
    last = prompt.strip().splitlines()[-1]
    labels = re.search(r"(?:exactly one of|ces mots :?):? (.*)", prompt)
    if labels:
        names = labels[1].split(", ")
        return f" {names[len(last) % len(names)].lower()}.\n"
    if re.match(r"(?i)rate|note", prompt):
        return f"Rating: {len(last)}/100"
    return f"said({last})"


@contextlib.contextmanager
def step(title):
    steps.append(title)
    yield


names = {"paradigm_search": paradigm_search, "chat_completion": chat_completion, "ToolError": ToolError, "step": step}
with open(sys.argv[1], encoding="utf-8") as file:
    exec(compile(file.read(), sys.argv[1], "exec"), names)
result = asyncio.run(names["execute_workflow"](sys.stdin.buffer.read().decode()))
print(json.dumps({"result": result, "searches": searches, "prompts": prompts, "steps": steps}))
