"""The plan and the program: the same steps, the same tools."""


def check_steps(program, tools, declared, report):
    if not declared or not _is_global(program, "step"):
        return
    titles, dynamic = {}, False
    for node in ast.walk(program.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "step" and node.args:
            title = node.args[0]
            if isinstance(title, ast.Constant) and isinstance(title.value, str):
                titles.setdefault(title.value, node)
            else:
                dynamic = True
    planned = {step["title"] for step in declared}
    for title, node in titles.items():
        if title not in planned:
            report.warn("E_STEPS", node, f"the step {title!r} is not in the plan")
    if not dynamic:
        for title in sorted(planned - set(titles)):
            report.warn("E_STEPS", None, f"the planned step {title!r} is not marked in the program")
    planned_tools = {tool for step in declared for tool in step["tools"]}
    used = {node.id for node in ast.walk(program.tree) if isinstance(node, ast.Name) and node.id in tools}
    callable_tools = {name for name in used if tools[name]["kind"] == "call"}
    if planned_tools:
        for name in sorted(callable_tools - planned_tools):
            report.warn("E_STEPS", None, f"the program calls {name}, which no planned step names")
        for name in sorted(planned_tools - callable_tools):
            report.warn("E_STEPS", None, f"the plan names {name}, which the program does not call")
