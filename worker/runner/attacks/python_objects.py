# Looks at every object the collector knows.
# tier A: returned
# tier B: returned
# walls: nothing secret is there
import gc


def execute_workflow(user_input):
    gc.unfreeze()
    found = [o for o in gc.get_objects() if isinstance(o, dict) and any("CANARY" in str(v)[:200] for v in list(o.values())[:50] if isinstance(v, str))]
    return "BREACH" if found else "nothing"
