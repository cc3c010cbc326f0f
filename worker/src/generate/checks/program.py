"""What CPython itself can say about a program without running it.

Executed in a cell like any program: its input is JSON with the program's text, what it may call and what its plan
declares; its result is the list of findings. The program is parsed and never run. A finding is an `error` only where
the program cannot work as it stands; whatever might be meant is a `warning`, or nothing.
"""

import ast
import builtins
import difflib
import json
import re
import symtable
import sys

ENTRY_POINT = "execute_workflow"


class Report:
    def __init__(self):
        self.findings = []

    def add(self, code, node, message, severity="error"):
        line = getattr(node, "lineno", None)
        column = getattr(node, "col_offset", None)
        self.findings.append(
            {
                "code": code,
                "line": line,
                "column": None if column is None else column + 1,
                "message": message,
                "severity": severity,
            }
        )

    def warn(self, code, node, message):
        self.add(code, node, message, "warning")


class Program:
    """The tree with what the checks ask of it."""

    def __init__(self, code, tree):
        self.tree = tree
        self.table = symtable.symtable(code, "workflow.py", "exec")
        self.parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
        self.bound = _bound_anywhere(self.table)

    def function_around(self, node):
        while node in self.parents:
            node = self.parents[node]
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
                return node
        return None


def execute_workflow(user_input):
    task = json.loads(user_input)
    code, tools = task["code"].removeprefix("\ufeff"), {tool["name"]: tool for tool in task["tools"]}
    report = Report()
    size = len(code.encode("utf-8", "surrogatepass"))
    if size > task["code_bytes_max"]:
        report.add("E_SIZE", None, f"the program has {size} bytes; the limit is {task['code_bytes_max']} bytes")
        return {"findings": report.findings}
    try:
        tree = ast.parse(code, "workflow.py")
        program = Program(code, tree)
    except (SyntaxError, ValueError) as error:
        report.add("E_SYNTAX", error, f"{type(error).__name__}: {getattr(error, 'msg', error)}")
        return {"findings": report.findings}
    except (RecursionError, MemoryError):
        report.add("E_SYNTAX", None, "the program is nested too deeply to be read")
        return {"findings": report.findings}
    check_entry_point(program, report)
    check_names(program, tools, report)
    check_imports(program, report)
    check_members(program, report)
    check_tool_calls(program, tools, report)
    check_awaits(program, tools, report)
    check_steps(program, tools, task.get("steps"), report)
    check_secrets(program, report)
    report.findings.sort(key=lambda finding: (finding["line"] or 0, finding["column"] or 0, finding["code"]))
    return {"findings": report.findings[: task["findings_max"]]}
