# An archive whose entries hold zeros without end.
# tier A: out_of_memory
# tier B: out_of_memory
# walls: RLIMIT_AS
import io
import zipfile


def execute_workflow(user_input):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as z:
        for number in range(10):
            z.writestr(str(number), b"\0" * 2_000_000)
    parts = [zipfile.ZipFile(archive).read(str(number % 10)) for number in range(100)]
    return f"BREACH: {len(parts)}"
