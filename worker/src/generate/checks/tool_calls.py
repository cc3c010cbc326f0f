"""Calls of tools: their number and names of arguments, and literals of a wrong type."""


def check_tool_calls(program, tools, report):
    for node in ast.walk(program.tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        tool = tools.get(node.func.id)
        if tool is None or not _is_global(program, node.func.id):
            continue
        problem = _call_problem(tool, node)
        if problem:
            report.add("E_TOOL_ARGUMENTS", node, problem)


def _call_problem(tool, call):
    name, parameters = tool["name"], tool["parameters"]
    starred = any(isinstance(given, ast.Starred) for given in call.args)
    doubly = any(keyword.arg is None for keyword in call.keywords)
    positional = [parameter for parameter in parameters if not parameter["keyword_only"]]
    if not starred and len(call.args) > len(positional):
        return f"{name}() takes {len(positional)} positional argument(s), {len(call.args)} are given"
    known = {parameter["name"]: parameter for parameter in parameters}
    for keyword in call.keywords:
        if keyword.arg is not None and keyword.arg not in known:
            return f"{name}() takes no argument {keyword.arg!r}; it takes {', '.join(known)}"
    given = dict(zip((parameter["name"] for parameter in positional), call.args))
    for keyword in call.keywords:
        if keyword.arg in given and not starred:
            return f"{name}() gets {keyword.arg!r} twice"
        given[keyword.arg] = keyword.value
    if not starred and not doubly:
        for parameter in parameters:
            if parameter["required"] and parameter["name"] not in given:
                return f"{name}() needs {parameter['name']}"
    for parameter in parameters:
        value = None if starred else given.get(parameter["name"])
        wanted = _wanted_instead(parameter, value)
        if wanted:
            return f"{name}(): {parameter['name']} has to be {wanted}"
    forms = [form for form in ("choices", "regex", "schema") if name == "chat_completion" and not _is_none(given.get(form))]
    if len(forms) > 1:
        return f"{name}() takes at most one of choices, regex and schema"
    return None


KINDS = {
    "text": ("a str", str, ()),
    "flag": ("True or False", bool, ()),
    "integers": ("a list of int", None, (ast.List, ast.ListComp, ast.Tuple)),
    "texts": ("a list of str", None, (ast.List, ast.ListComp, ast.Tuple)),
    "object": ("a dict", None, (ast.Dict, ast.DictComp)),
}
ITEMS = {"integers": int, "texts": str}
DISPLAYS = (ast.List, ast.Tuple, ast.Dict, ast.Set, ast.ListComp, ast.SetComp, ast.DictComp, ast.JoinedStr)


def _is_none(value):
    return value is None or isinstance(value, ast.Constant) and value.value is None


def _wanted_instead(parameter, value):
    """What a parameter takes, when it is given a literal that is certainly something else."""
    wanted, constant, displays = KINDS[parameter["kind"]]
    if _is_none(value):
        return None
    if isinstance(value, ast.Constant):
        right = constant is not None and type(value.value) is constant
    elif isinstance(value, ast.JoinedStr):
        right = constant is str
    elif isinstance(value, displays):
        item = ITEMS.get(parameter["kind"])
        literals = [part.value for part in getattr(value, "elts", []) if isinstance(part, ast.Constant)]
        right = item is None or all(type(literal) is item for literal in literals)
    else:
        right = not isinstance(value, DISPLAYS)
    return None if right else wanted
