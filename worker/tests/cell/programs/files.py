"""The private folder behaves like a folder; the library can be read; the rest is not there."""
import importlib.resources
import json
import os
import pathlib
import shutil
import sqlite3
import tempfile
import zipfile


def execute_workflow(user_input):
    here = pathlib.Path.cwd()
    assert os.listdir(here) == []
    (here / "a.json").write_text(json.dumps({"ü": 1}), encoding="utf-8")
    assert json.loads((here / "a.json").read_text()) == {"ü": 1}
    (here / "folder" / "deep").mkdir(parents=True)
    shutil.copy("a.json", "folder/deep/b.json")
    os.rename("folder/deep/b.json", "folder/c.json")
    shutil.copy2("folder/c.json", "folder/d.json")
    assert os.stat("folder/d.json").st_mtime_ns == os.stat("folder/c.json").st_mtime_ns
    os.chmod("folder/d.json", 0o600)
    assert os.stat("folder/d.json").st_mode & 0o777 == 0o600
    os.utime("folder/d.json", (1, 2))
    assert os.stat("folder/d.json").st_mtime == 2
    os.truncate("folder/d.json", 1)
    assert pathlib.Path("folder/d.json").read_text() == "{"
    pathlib.Path("folder/d.json").touch()
    os.remove("folder/d.json")
    os.symlink("c.json", "folder/link")
    assert os.path.realpath("folder/link").endswith("c.json")
    with tempfile.NamedTemporaryFile() as temporary, tempfile.TemporaryDirectory() as folder:
        temporary.write(b"x")
        assert os.path.dirname(temporary.name) == os.path.dirname(folder)
    database = sqlite3.connect("data.db")
    with database:
        database.execute("create table t (a)")
        database.executemany("insert into t values (?)", [(n,) for n in range(100)])
    database.close()
    assert sqlite3.connect("data.db").execute("select sum(a) from t").fetchone() == (4950,)
    shutil.make_archive("all", "zip", "folder")
    assert "c.json" in zipfile.ZipFile("all.zip").namelist()
    shutil.rmtree("folder")
    assert not os.path.exists("folder")
    with open(os.devnull, "w") as nothing:
        nothing.write("gone")
    assert len(os.urandom(8)) == 8
    for path in ("/etc/passwd", "/root/.bashrc", "/proc/self/environ", "/proc/1/cmdline"):
        try:
            open(path).close()
        except OSError:
            continue
        raise AssertionError(f"{path} can be read")
    try:
        open(os.path.join(os.path.dirname(json.__file__), "x"), "w")
    except OSError:
        return "ok"
    raise AssertionError("the library can be written")
