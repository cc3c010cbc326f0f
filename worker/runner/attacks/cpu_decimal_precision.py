# A thousand million digits of a third.
# tier A: timeout|out_of_memory
# tier B: timeout|out_of_memory
# walls: wall clock of the worker
import decimal


def execute_workflow(user_input):
    decimal.getcontext().prec = decimal.MAX_PREC
    return str(decimal.Decimal(1) / 3)[:3]
