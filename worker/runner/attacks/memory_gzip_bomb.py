# A kilobyte that becomes gigabytes.
# tier A: out_of_memory
# tier B: out_of_memory
# walls: RLIMIT_AS
import gzip


def execute_workflow(user_input):
    layer = gzip.compress(b'\0' * 10_000_000)
    return len(gzip.decompress(layer * 100))
