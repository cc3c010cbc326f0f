"""Runs one program with stand-in tools and prints what it did as JSON: stub_tools.py PROGRAM < INPUT
With --many, runs a JSON list of programs from stdin and fails on the first that breaks.

A search answers "found(QUERY)", fails on queries with "broken" and finds nothing for queries with "unknown".
A prompt is answered by the first of its words that decides (labels, numbers), otherwise by "said(LAST LINE)".
"""

import asyncio
import contextlib
import json
import re
import signal
import sys

signal.alarm(60)  # a program that hangs fails its test


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


def run(source, text):
    names = {
        "paradigm_search": paradigm_search,
        "chat_completion": chat_completion,
        "ToolError": ToolError,
        "step": step,
    }
    exec(compile(source, "program.py", "exec"), names)
    return asyncio.run(names["execute_workflow"](text))


if sys.argv[1] == "--many":
    # Only that they run: a reply without a number and a failed search are legitimate ends.
    for source in json.load(sys.stdin):
        for text in ("", "one, two\nunknown; broken price of x. Four?\n\nfive"):
            try:
                result = run(source, text)
                assert isinstance(result, str), f"{type(result)} returned"
            except (ToolError, ValueError):
                pass
            except BaseException:
                print(source, file=sys.stderr)
                raise
    sys.exit()

with open(sys.argv[1], encoding="utf-8") as file:
    result = run(file.read(), sys.stdin.buffer.read().decode())
print(json.dumps({"result": result, "searches": searches, "prompts": prompts, "steps": steps}))
