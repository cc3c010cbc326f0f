"""Evaluates the checks of one run of a case: reads one JSON object, prints the list of those that do not hold.

The names a check may use: out, status, inp, lines (of out), S (searches, normalised), C (prompts), s(query) and
c(prompt) (what the fakes answer), norm, and the modules re, json, csv, io.
"""
import csv
import hashlib
import io
import json
import re
import sys
import unicodedata

OUTER = " .?!,;:…'\"«»“”()[]"


def norm(question):
    words = unicodedata.normalize("NFC", question).lower().split()
    return " ".join(words).strip(OUTER)


def main():
    case = json.load(sys.stdin)
    salt, run = case["salt"], case["run"]

    def digest(text):
        return hashlib.sha256(f"{salt}|{text}".encode()).hexdigest()[:8]

    def s(query):
        wanted = norm(query)
        if "corpus" not in run:
            return "ans-" + digest(wanted)
        for keywords, answer in run["corpus"]:
            if all(norm(word) in wanted for word in keywords):
                return answer
        return "NOT_FOUND: no document answers this"

    def c(prompt):
        for pattern, reply in run.get("rules", []):
            if re.search(pattern, prompt, re.IGNORECASE):
                return reply
        return "chat-" + digest(prompt)

    names = {
        "out": case["out"],
        "status": case["status"],
        "inp": run["input"],
        "lines": case["out"].strip().split("\n"),
        "S": [norm(query) for query in case["searches"]],
        "C": case["prompts"],
        "s": s,
        "c": c,
        "norm": norm,
        "re": re,
        "json": json,
        "csv": csv,
        "io": io,
    }
    broken = []
    for check in run["checks"]:
        try:
            if not eval(check, dict(names)):
                broken.append(f"{check} -- with out = {case['out']!r}, S = {names['S']!r}, C = {case['prompts']!r}")
        except Exception as error:
            broken.append(f"{check}: {type(error).__name__}: {error}")
    json.dump(broken, sys.stdout)


main()
