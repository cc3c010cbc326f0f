# === entry_sync
def execute_workflow(user_input):
    return {"upper": user_input.upper(), "n": [1, 2.5, None, True, -0.0, 1e300, 10**15]}
# === entry_async
async def execute_workflow(user_input):
    return user_input[::-1]
# === entry_callable_object
class Workflow:
    def __call__(self, user_input):
        return type(self).__module__ + "." + type(self).__qualname__
execute_workflow = Workflow()
# === entry_decorated
import functools
def shout(act):
    @functools.wraps(act)
    async def wrapped(user_input):
        return (await act(user_input)).upper() + wrapped.__name__
    return wrapped
@shout
async def execute_workflow(user_input):
    return user_input
# === module_names
import inspect, sys
def execute_workflow(user_input):
    module = sys.modules[__name__]
    return [__name__, module.__file__, inspect.getsource(execute_workflow).splitlines()[0], execute_workflow.__module__]
# === threads
import threading, queue
def execute_workflow(user_input):
    results, local = queue.Queue(), threading.local()
    def work(n):
        local.n = n
        results.put((n, local.n * n))
    threads = [threading.Thread(target=work, args=(n,), name=f"t{n}", daemon=n % 2 == 0) for n in range(8)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    return [sorted(results.queue), threading.current_thread() is threading.main_thread(), [t.is_alive() for t in threads]]
# === threads_coordination
import threading
def execute_workflow(user_input):
    barrier, event, lock, seen = threading.Barrier(3), threading.Event(), threading.RLock(), []
    def work():
        barrier.wait(5)
        with lock, lock:
            seen.append(1)
        event.set()
    for _ in range(2): threading.Thread(target=work).start()
    barrier.wait(5)
    event.wait(5)
    condition = threading.Condition()
    with condition:
        timely = condition.wait_for(lambda: bool(seen), timeout=5)
    return [timely, threading.Semaphore(1).acquire(blocking=False)]
# === executor
from concurrent.futures import ThreadPoolExecutor, as_completed, wait
def execute_workflow(user_input):
    with ThreadPoolExecutor(max_workers=3) as pool:
        futures = [pool.submit(pow, 2, n) for n in range(5)]
        done, pending = wait(futures)
        failing = pool.submit(int, "x")
        return [list(pool.map(len, ["a", "bb"])), sorted(f.result() for f in as_completed(futures)), len(pending), repr(failing.exception())]
# === asyncio_gather
import asyncio
async def execute_workflow(user_input):
    async def one(n):
        await asyncio.sleep(0.01 - n / 1000)
        if n == 3: raise ValueError(n)
        return n
    results = await asyncio.gather(*[one(n) for n in range(5)], return_exceptions=True)
    return [repr(result) for result in results]
# === asyncio_task_group
import asyncio
async def execute_workflow(user_input):
    seen = []
    async def fail():
        raise KeyError("k")
    async def wait():
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(wait())
            group.create_task(fail())
    except* KeyError as errors:
        seen.append([repr(error) for error in errors.exceptions])
    return seen
# === asyncio_timeout
import asyncio
async def execute_workflow(user_input):
    seen = []
    try:
        async with asyncio.timeout(0.01):
            await asyncio.sleep(60)
    except TimeoutError as error:
        seen.append(repr(error))
    try:
        await asyncio.wait_for(asyncio.Event().wait(), 0.01)
    except asyncio.TimeoutError as error:
        seen.append(repr(error))
    done, pending = await asyncio.wait([asyncio.create_task(asyncio.sleep(0, "v"))], timeout=5)
    return [*seen, [task.result() for task in done], len(pending)]
# === asyncio_to_thread
import asyncio, contextvars, threading
name = contextvars.ContextVar("name", default="none")
async def execute_workflow(user_input):
    name.set("outer")
    def work(n):
        return [n, name.get(), threading.current_thread() is threading.main_thread()]
    return await asyncio.gather(*[asyncio.to_thread(work, n) for n in range(3)])
# === asyncio_streams_of_values
import asyncio
async def execute_workflow(user_input):
    queue, seen = asyncio.Queue(2), []
    async def produce():
        for n in range(5): await queue.put(n)
        await queue.put(None)
    task = asyncio.create_task(produce(), name="producer")
    while (item := await queue.get()) is not None: seen.append(item)
    await task
    async def numbers():
        for n in range(3):
            yield n
            await asyncio.sleep(0)
    lock = asyncio.Lock()
    async with lock: locked = lock.locked()
    return [seen, [n async for n in numbers()], locked, task.get_name()]
# === asyncio_own_loop
import asyncio
def execute_workflow(user_input):
    async def inner():
        return type(asyncio.get_running_loop()).__name__
    first = asyncio.run(inner())
    with asyncio.Runner() as runner:
        return [first, runner.run(inner())]
# === asyncio_call_later
import asyncio
async def execute_workflow(user_input):
    loop, seen, done = asyncio.get_running_loop(), [], asyncio.Event()
    loop.call_later(0.02, lambda: (seen.append("later"), done.set()))
    loop.call_soon(seen.append, "soon")
    loop.call_soon_threadsafe(seen.append, "threadsafe")
    await done.wait()
    return seen
# === dataclasses
import dataclasses, typing
@dataclasses.dataclass(order=True, frozen=True, slots=True)
class Point:
    x: int
    y: typing.Optional[int] = None
    tags: list = dataclasses.field(default_factory=list, compare=False, repr=False)
def execute_workflow(user_input):
    point = Point(1, 2, ["a"])
    try:
        point.x = 3
    except dataclasses.FrozenInstanceError as error:
        failure = str(error)
    return [repr(point), dataclasses.asdict(dataclasses.replace(point, x=9)), Point(1, 2) < Point(2, 1), failure, [f.name for f in dataclasses.fields(Point)]]
# === datetime
import datetime as d
def execute_workflow(user_input):
    moment = d.datetime(2024, 2, 29, 23, 59, 59, 999999, tzinfo=d.timezone.utc)
    return [moment.isoformat(), (moment + d.timedelta(days=366)).strftime("%A %d %B %Y %j %U"), d.datetime.strptime("1.2.2025 03:04", "%d.%m.%Y %H:%M").timestamp(), str(d.timedelta(days=-1, seconds=5)), d.date.fromisocalendar(2025, 1, 1).isoformat(), d.datetime.fromisoformat("2025-01-01T00:00:00Z").utcoffset().total_seconds()]
# === zoneinfo
import datetime as d, zoneinfo
def execute_workflow(user_input):
    paris, ny = zoneinfo.ZoneInfo("Europe/Paris"), zoneinfo.ZoneInfo("America/New_York")
    moment = d.datetime(2025, 3, 30, 1, 30, tzinfo=d.timezone.utc)
    try:
        zoneinfo.ZoneInfo("Mars/Olympus")
    except zoneinfo.ZoneInfoNotFoundError as error:
        missing = str(error)
    return [moment.astimezone(paris).isoformat(), moment.astimezone(ny).tzname(), len(zoneinfo.available_timezones()) > 400, missing, d.datetime(2025, 10, 26, 2, 30, fold=1, tzinfo=paris).utcoffset().seconds]
# === time
import time, calendar
def execute_workflow(user_input):
    began = time.monotonic(); time.sleep(0.01)
    return [time.monotonic() - began >= 0.01, time.strftime("%Y-%m-%d %Z", time.gmtime(86400)), time.tzname[0], calendar.monthrange(2024, 2), calendar.month(2024, 2), time.localtime(0).tm_hour]
# === csv
import csv, io
def execute_workflow(user_input):
    out = io.StringIO()
    writer = csv.DictWriter(out, ["a", "b"], delimiter=";", quoting=csv.QUOTE_NONNUMERIC)
    writer.writeheader(); writer.writerow({"a": 'x"y', "b": 1.5}); writer.writerow({"a": "line\nbreak", "b": 2})
    text = out.getvalue()
    return [text, list(csv.DictReader(io.StringIO(text), delimiter=";")), csv.Sniffer().sniff("a,b\n1,2\n").delimiter]
# === json
import json, decimal
def execute_workflow(user_input):
    value = {"ü": [1, 2.50, None, True, "\u2028"], "nested": {"a": [[]]}}
    try:
        json.loads('{"a": }')
    except json.JSONDecodeError as error:
        failure = str(error)
    return [json.dumps(value, sort_keys=True), json.dumps(value, ensure_ascii=False, indent=1), json.loads("[1e400, 12345678901234567890]", parse_float=str), str(json.loads("1.10", parse_float=decimal.Decimal)), failure]
# === re
import re
def execute_workflow(user_input):
    pattern = re.compile(r"(?P<word>\w+)\s+(?P<number>\d+)", re.I | re.X)
    return [[m.groupdict() for m in re.finditer(r"(?P<w>\w)(?P<d>\d)", "a1 b2 ü3")], re.sub(r"(\d+)", lambda m: str(int(m[1]) * 2), "a1b22"), re.split(r"[,;]\s*", "a, b;c"), pattern.search(user_input) is not None, re.findall(r"(?<=\s)\w+(?=\s|$)", user_input), re.escape("a.b*c")]
# === decimal
import decimal
def execute_workflow(user_input):
    with decimal.localcontext() as context:
        context.prec = 50
        long = str(decimal.Decimal(2).sqrt())
    try:
        decimal.Decimal(1) / 0
    except decimal.DivisionByZero as error:
        failure = type(error).__mro__[1].__name__
    return [long, str(decimal.Decimal("2.675").quantize(decimal.Decimal("0.01"), decimal.ROUND_HALF_UP)), failure, f"{decimal.Decimal('1234567.891'):,.2f}", str(sum(map(decimal.Decimal, ["0.1"] * 3)))]
# === sqlite
import sqlite3
def execute_workflow(user_input):
    db = sqlite3.connect(":memory:")
    db.row_factory = sqlite3.Row
    db.create_function("twice", 1, lambda x: x * 2)
    with db:
        db.execute("create table t (id integer primary key, name text unique, n real)")
        db.executemany("insert into t (name, n) values (?, ?)", [(f"n{i}", i / 2) for i in range(10)])
    try:
        db.execute("insert into t (name) values ('n1')")
    except sqlite3.IntegrityError as error:
        failure = str(error)
    rows = db.execute("select name, twice(n) as d, row_number() over (order by n desc) r from t where n > ? order by id", (3,))
    return [[dict(row) for row in rows], failure, db.execute("select json_extract('{\"a\":[1,2]}', '$.a[1]')").fetchone()[0], db.total_changes]
# === sqlite_in_a_file
import sqlite3
def execute_workflow(user_input):
    for n in range(2):
        db = sqlite3.connect("data.db")
        with db:
            db.execute("create table if not exists t (a)")
            db.execute("insert into t values (?)", (n,))
        db.close()
    db = sqlite3.connect("data.db")
    return [db.execute("select sum(a), count(*) from t").fetchone(), db.execute("pragma integrity_check").fetchone()]
# === zipfile
import io, zipfile
def execute_workflow(user_input):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/b.txt", user_input * 100)
        archive.writestr(zipfile.ZipInfo("empty", (2020, 1, 1, 0, 0, 0)), "")
    with zipfile.ZipFile(buffer) as archive:
        return [archive.namelist(), archive.read("a/b.txt").decode() == user_input * 100, archive.testzip(), archive.getinfo("a/b.txt").compress_size < 200]
# === tarfile
import io, tarfile
def execute_workflow(user_input):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        info = tarfile.TarInfo("x/y"); info.size = 3
        archive.addfile(info, io.BytesIO(b"abc"))
    buffer.seek(0)
    with tarfile.open(fileobj=buffer) as archive:
        return [archive.getnames(), archive.extractfile("x/y").read().decode()]
# === statistics
import statistics as s
def execute_workflow(user_input):
    data = [1.5, 2.5, 2.5, 2.75, 3.25, 4.75]
    return [s.mean(data), s.median(data), s.mode(data), s.stdev(data), s.quantiles(data, n=4), s.fmean(data), s.linear_regression([1, 2, 3], [2, 4, 6]).slope, s.NormalDist(0, 1).cdf(1.96)]
# === unicodedata
import unicodedata
def execute_workflow(user_input):
    return [unicodedata.name("ü"), unicodedata.normalize("NFD", "ü").encode().hex(), unicodedata.category("€"), unicodedata.lookup("SNOWMAN"), "ß".casefold(), "İ".lower().encode().hex(), unicodedata.east_asian_width("中"), unicodedata.unidata_version]
# === difflib
import difflib
def execute_workflow(user_input):
    return [list(difflib.unified_diff(["a", "b", "c"], ["a", "x", "c"], "old", "new", lineterm="")), difflib.get_close_matches("appel", ["ape", "apple", "peach"]), difflib.SequenceMatcher(None, "abcd", "bcde").ratio()]
# === html
import html, html.parser
class Links(html.parser.HTMLParser):
    def __init__(self):
        super().__init__(); self.found = []
    def handle_starttag(self, tag, attrs):
        self.found.append([tag, attrs])
    def handle_data(self, data):
        self.found.append(data)
def execute_workflow(user_input):
    parser = Links(); parser.feed('<a href="?a=1&amp;b">x &lt; y</a><br/>')
    return [html.escape("<a & 'b'>"), html.unescape("&eacute;&#8364;&nbsp;").encode().hex(), parser.found]
# === xml_etree
import xml.etree.ElementTree as ET
def execute_workflow(user_input):
    root = ET.fromstring('<r xmlns:x="urn:x"><x:i n="1">ü</x:i><i/><!-- c --></r>')
    root.append(ET.Element("new", {"a": "<"}))
    ET.indent(root)
    try:
        ET.fromstring("<a><b></a>")
    except ET.ParseError as error:
        failure = str(error)
    return [ET.tostring(root, encoding="unicode"), [i.text for i in root.iterfind("x:i", {"x": "urn:x"})], failure]
# === xml_minidom
import xml.dom.minidom, xml.sax.saxutils
def execute_workflow(user_input):
    document = xml.dom.minidom.parseString("<a><b c='1'/>t</a>")
    return [document.toprettyxml(indent=" "), document.getElementsByTagName("b")[0].getAttribute("c"), xml.sax.saxutils.escape("<&>")]
# === email
import email, email.policy, email.message
def execute_workflow(user_input):
    message = email.message.EmailMessage()
    message["Subject"], message["To"] = "Grüße", "ü <a@example.org>"
    message.set_content("text ü"); message.add_attachment(b"\0\1", maintype="application", subtype="x", filename="f.bin")
    message.set_boundary("b")
    again = email.message_from_bytes(message.as_bytes(), policy=email.policy.default)
    return [again["subject"], [p.get_content_type() for p in again.walk()], again.get_body().get_content(), [a.get_filename() for a in again.iter_attachments()]]
# === enum
import enum
class Colour(enum.StrEnum):
    RED = enum.auto()
    BLUE = "b"
class Flags(enum.Flag):
    A, B, C = 1, 2, 4
def execute_workflow(user_input):
    return [Colour.RED, repr(Colour("b")), str(Flags.A | Flags.C), [c.name for c in Colour], repr(~Flags.A), enum.unique(Colour) is Colour]
# === functools
import functools
@functools.lru_cache(maxsize=None)
def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)
@functools.singledispatch
def kind(value): return "any"
@kind.register
def _(value: int): return "int"
@functools.total_ordering
class Version:
    def __init__(self, n): self.n = n
    def __eq__(self, other): return self.n == other.n
    def __lt__(self, other): return self.n < other.n
def execute_workflow(user_input):
    return [fib(80), fib.cache_info()[:2], kind(1), kind("x"), Version(2) >= Version(1), functools.reduce(lambda a, b: a * b, range(1, 6)), functools.partial(pow, 2)(5), sorted("bca", key=functools.cmp_to_key(lambda a, b: ord(b) - ord(a)))]
# === itertools
import itertools as i
def execute_workflow(user_input):
    return [list(i.permutations("abc", 2))[:3], list(i.islice(i.count(5, 3), 3)), [[k, list(g)] for k, g in i.groupby("aabbc")], list(i.accumulate([1, 2, 3])), list(i.zip_longest("ab", "c", fillvalue="-")), list(i.pairwise("abc")), list(i.chain.from_iterable([[1], [2]])), len(list(i.product("ab", repeat=3))), list(i.takewhile(str.isalpha, "ab1c"))]
# === collections
import collections as c
def execute_workflow(user_input):
    count = c.Counter("mississippi"); ring = c.deque(range(5), maxlen=3); ring.rotate(1)
    Pair = c.namedtuple("Pair", "a b", defaults=[0])
    grouped = c.defaultdict(list); grouped["x"].append(1)
    chain = c.ChainMap({"a": 1}, {"a": 2, "b": 3}); order = c.OrderedDict(a=1, b=2); order.move_to_end("a")
    return [count.most_common(2), dict(count - c.Counter("miss")), list(ring), repr(Pair(1)), grouped, dict(chain), list(order)]
# === heapq_bisect
import bisect, heapq
def execute_workflow(user_input):
    heap = [5, 1, 4]; heapq.heapify(heap); heapq.heappush(heap, 0)
    names = ["a", "c"]; bisect.insort(names, "b")
    return [[heapq.heappop(heap) for _ in range(4)], heapq.nlargest(2, [3, 9, 4]), list(heapq.merge([1, 4], [2, 3])), names, bisect.bisect_left([1, 2, 2, 3], 2), bisect.bisect([{"k": 1}, {"k": 5}], 3, key=lambda x: x["k"])]
# === textwrap_string
import string, textwrap
def execute_workflow(user_input):
    return [textwrap.wrap("the quick brown fox jumps over the lazy dog", 15), textwrap.dedent("  a\n   b\n"), textwrap.shorten("one two three four", 12), string.Template("$a ${b}").safe_substitute(a=1), string.capwords("a bc"), "{0!r:>6}|{x[k]:.2f}|{1:,}".format("s", 1234567, x={"k": 2}), list(string.Formatter().parse("a{b:c}"))]
# === random_seeded
import random
def execute_workflow(user_input):
    own = random.Random("seed")
    return [random.random(), random.sample(range(1000), 5), own.randint(1, 10**9), own.choices("abc", [1, 2, 3], k=5), own.gauss(0, 1), [random.randbytes(4).hex(), random.getrandbits(70)], random.shuffle([1, 2])]
# === sets_in_order
def execute_workflow(user_input):
    return [list({"a", "b", "c", "delta", "ü", user_input}), list(frozenset(("x", 1, 2.5))), hash("x"), hash((1, "a", b"b"))]
# === uuid
import uuid
def execute_workflow(user_input):
    return [str(uuid.uuid5(uuid.NAMESPACE_URL, user_input)), str(uuid.uuid3(uuid.NAMESPACE_DNS, "a")), uuid.uuid4().version, uuid.UUID("{12345678-1234-5678-1234-567812345678}").hex, uuid.uuid4() != uuid.uuid4(), uuid.uuid1().version]
# === hashlib_hmac
import hashlib, hmac
def execute_workflow(user_input):
    data = user_input.encode()
    return [{name: hashlib.new(name, data).hexdigest() for name in ("md5", "sha1", "sha256", "sha3_256", "blake2b")}, hmac.new(b"k", data, "sha256").hexdigest(), hashlib.pbkdf2_hmac("sha256", data, b"s", 10).hex(), hmac.compare_digest("a", "b"), hashlib.scrypt(b"p", salt=b"s", n=2, r=1, p=1, dklen=8).hex()]
# === base64_binascii
import base64, binascii
def execute_workflow(user_input):
    data = bytes(range(20))
    return [base64.b64encode(data).decode(), base64.urlsafe_b64decode("-_8=").hex(), base64.b32encode(data).decode(), base64.b85encode(data).decode(), binascii.crc32(data), binascii.hexlify(data, ":").decode(), base64.b16decode("ff", casefold=True).hex()]
# === io
import io
def execute_workflow(user_input):
    raw = io.BytesIO(b"one\r\ntwo\n"); text = io.TextIOWrapper(raw, encoding="utf-8", newline=None)
    buffered = io.BufferedReader(io.BytesIO(b"abcdef"), 2)
    return [text.readlines(), buffered.peek(1)[:1].decode(), buffered.read(3).decode(), io.StringIO("a\nb").read(), bytes(memoryview(b"abc")[::-1]).decode()]
# === tempfile
import os, tempfile
def execute_workflow(user_input):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "f")
        with tempfile.NamedTemporaryFile("w+", dir=folder, suffix=".txt") as named, tempfile.SpooledTemporaryFile(max_size=4) as spooled:
            named.write("x"); named.flush(); spooled.write(b"longer")
            spooled.seek(0)
            inside = [len(os.listdir(folder)), os.path.getsize(named.name), spooled.read().decode()]
        left = os.listdir(folder)
    return [inside, left, os.path.exists(folder)]
# === pathlib_files
import os, pathlib, shutil
def execute_workflow(user_input):
    here = pathlib.Path.cwd()
    (here / "a" / "b").mkdir(parents=True)
    (here / "a" / "b" / "ü.txt").write_text("eins\nzwei\n", encoding="utf-8")
    shutil.copytree("a", "c")
    os.replace("c/b/ü.txt", "c/moved")
    (here / "link").symlink_to("c/moved")
    with open("c/moved", "rb+") as file:
        file.seek(-5, os.SEEK_END); tail = file.read().decode(); file.truncate(3)
    walked = sorted([os.path.relpath(p, here), sorted(d), sorted(f)] for p, d, f in os.walk(here))
    return [walked, tail, (here / "link").read_text(), pathlib.PurePosixPath("/a/../b.tar.gz").suffixes, sorted(p.name for p in here.rglob("*")), os.stat("c/moved").st_size, (here / "a").is_dir()]
# === pathlib_errors
import pathlib
def execute_workflow(user_input):
    seen = []
    for act in (lambda: open("missing"), lambda: pathlib.Path("d").rmdir(), lambda: (pathlib.Path("f").write_text(""), pathlib.Path("f").mkdir()), lambda: open(".", "w"), lambda: open("f/g")):
        try:
            act()
        except OSError as error:
            seen.append([type(error).__name__, error.errno, error.strerror])
    return seen
# === contextlib
import contextlib, io
def execute_workflow(user_input):
    seen = []
    @contextlib.contextmanager
    def around(name):
        seen.append("+" + name)
        try:
            yield name
        finally:
            seen.append("-" + name)
    with contextlib.ExitStack() as stack, contextlib.suppress(KeyError), contextlib.redirect_stdout(io.StringIO()) as out:
        stack.enter_context(around("a")); stack.callback(seen.append, "callback")
        print("hidden")
        raise KeyError
    return [seen, out.getvalue()]
# === typing
import typing as t
T = t.TypeVar("T")
class Named(t.NamedTuple):
    a: int
    b: str = "x"
class Shape(t.TypedDict, total=False):
    name: t.Required[str]
@t.runtime_checkable
class Sized(t.Protocol):
    def __len__(self) -> int: ...
class Box(t.Generic[T]):
    def get(self: "Box[T]") -> T | None: ...
def execute_workflow(user_input):
    return [repr(Named(1)), t.get_type_hints(Box.get)["return"].__class__.__name__, isinstance([], Sized), sorted(Shape.__required_keys__), repr(t.Optional[int]), t.get_args(dict[str, int])[1].__name__, repr(Box[int])[-8:]]
# === fractions_math
import cmath, fractions, math
def execute_workflow(user_input):
    return [str(fractions.Fraction("0.1") + fractions.Fraction(1, 3)), str(fractions.Fraction(math.pi).limit_denominator(1000)), math.comb(40, 20), math.isqrt(10**20), math.fsum([0.1] * 10), math.gcd(12, 18, 27), math.dist((0, 0), (3, 4)), math.prod(range(1, 20)), str(cmath.sqrt(-1)), math.nextafter(1, 2), round(2.5), 7 // -2, -7 % 3, 0.1 + 0.2]
# === struct_array
import array, struct
def execute_workflow(user_input):
    packed = struct.pack("<IhQ3sd", 1, -2, 2**40, b"abc", 0.5)
    numbers = array.array("d", [1, 2, 3]); numbers.append(4.5)
    return [packed.hex(), struct.unpack("<IhQ3sd", packed)[2], struct.calcsize("@lB"), numbers.tolist(), (1000).to_bytes(3, "little").hex(), int.from_bytes(b"\xff\xfe", "big", signed=True)]
# === compression
import bz2, gzip, lzma, zlib
def execute_workflow(user_input):
    data = user_input.encode() * 200
    packed = zlib.compressobj(9); stream = packed.compress(data) + packed.flush()
    try:
        zlib.decompress(b"junk")
    except zlib.error as error:
        failure = str(error)
    return [zlib.decompress(stream) == data, len(zlib.compress(data, 9)), gzip.decompress(gzip.compress(data, mtime=0)) == data, bz2.decompress(bz2.compress(data)) == data, lzma.decompress(lzma.compress(data)) == data, zlib.adler32(data), failure]
# === traceback_own_lines
import traceback
def inner(x):
    return {}[x]
def execute_workflow(user_input):
    try:
        inner("missing")
    except KeyError as error:
        text = traceback.format_exc()
        summary = [[frame.name, frame.lineno, frame.line] for frame in traceback.extract_tb(error.__traceback__)]
        try:
            raise RuntimeError("second") from error
        except RuntimeError as second:
            return [text, summary, "".join(traceback.format_exception_only(second)), second.__cause__ is error]
# === exceptions
def execute_workflow(user_input):
    seen = []
    for act in ("1/0", "[][1]", "{}['a']", "None.x", "int('a')", "'a' + 1", "undefined", "len(5)", "assert_", "[1, 2].index(3)", "next(iter([]))", "b'\\xff'.decode()", "'ü'.encode('ascii')", "(lambda: 1)(2)", "float('x')", "1 << -1", "__import__('no_such_module')"):
        try:
            eval(act)
        except Exception as error:
            seen.append([type(error).__name__, str(error)])
    group = ExceptionGroup("g", [ValueError(1), ExceptionGroup("h", [TypeError(2)])])
    matching, rest = group.split(TypeError)
    error = ValueError("noted"); error.add_note("a note")
    return [seen, str(matching), str(rest), error.__notes__]
# === recursion
import sys
def depth(n):
    try:
        return depth(n + 1)
    except RecursionError as error:
        return [n > 900, str(error).split(" in ")[0].split(" while ")[0]]
def execute_workflow(user_input):
    return [depth(0), sys.getrecursionlimit()]
# === generators
def count(n):
    received = yield from (x * x for x in range(n))
    while True:
        received = yield received
def execute_workflow(user_input):
    counter = count(2)
    seen = [next(counter), next(counter), next(counter), counter.send("sent")]
    counter.close()
    match {"kind": "a", "items": [1, 2, 3]}:
        case {"kind": str(kind), "items": [first, *rest]} if first:
            seen.append([kind, first, rest])
    return [seen, (lambda *a, k=1, **kw: [a, k, kw])(1, 2, k=3, z=4), [y := 5, y ** 2], {**{"a": 1}, "b": 2}]
# === classes
import abc, copy, weakref
class Meta(type):
    def __new__(cls, name, bases, space, **kwargs):
        made = super().__new__(cls, name, bases, space); made.kwargs = kwargs
        return made
class Base(metaclass=Meta, flag=1):
    registry = []
    def __init_subclass__(cls, **kwargs): Base.registry.append(cls.__name__)
    @property
    def value(self): return self.__dict__.get("v", 0)
    @value.setter
    def value(self, v): self.v = v * 2
class Child(Base):
    __match_args__ = ("v",)
    def __getattr__(self, name):
        if name.startswith("__"): raise AttributeError(name)
        return f"dynamic {name}"
def execute_workflow(user_input):
    child = Child(); child.value = 4
    twin = copy.deepcopy({"a": [child, child]})
    reference = weakref.ref(child); alive = reference() is child; del child
    class Abstract(abc.ABC):
        @abc.abstractmethod
        def act(self): ...
    try:
        Abstract()
    except TypeError as error:
        failure = str(error)
    return [twin["a"][0] is twin["a"][1], twin["a"][0].v, Child().nothing, Base.registry, Base.kwargs, alive, reference() is None, failure]
# === pickle_copy
import copyreg, pickle
class Thing:
    def __init__(self, n): self.n = n
    def __reduce__(self): return (Thing, (self.n + 1,))
def execute_workflow(user_input):
    return [pickle.loads(pickle.dumps(Thing(1))).n, pickle.loads(pickle.dumps({"a": (1, [2])}, protocol=2)), len(pickle.dumps(list(range(100)), protocol=5))]
# === logging
import io, logging, logging.handlers
def execute_workflow(user_input):
    out = io.StringIO()
    logger = logging.getLogger("a.b"); handler = logging.StreamHandler(out)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s %(lineno)d"))
    logger.addHandler(handler); logger.setLevel(logging.INFO); logger.propagate = False
    logger.debug("no"); logger.info("yes %d", 1)
    try:
        1 / 0
    except ZeroDivisionError:
        logger.exception("caught")
    return [out.getvalue(), logging.getLogger().level]
# === warnings
import warnings
def execute_workflow(user_input):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        warnings.warn("careful", UserWarning)
    return [[str(w.message), w.category.__name__, w.lineno] for w in seen]
# === urllib_parse
import urllib.parse as u
def execute_workflow(user_input):
    return [u.quote("ä/ b?", safe=""), u.parse_qs("a=1&a=2&b="), u.urlencode({"q": "ü x", "l": [1, 2]}, doseq=True), u.urljoin("http://h/a/b?c", "../d"), list(u.urlsplit("https://u:p@h:1/p;x?q#f"))]
# === configparser_toml
import configparser, io, tomllib
def execute_workflow(user_input):
    parser = configparser.ConfigParser(); parser.read_string("[a]\nx = 1\ny = %(x)s2\n[b]\nz: yes\n")
    return [parser.getint("a", "y"), parser["b"].getboolean("z"), tomllib.loads('a = 1\nd = 2024-01-01\n[t]\ns = "x"\nl = [1.5]\n')["t"]]
# === shlex_argparse
import argparse, shlex
def execute_workflow(user_input):
    parser = argparse.ArgumentParser(prog="p", exit_on_error=False); parser.add_argument("--n", type=int, default=3); parser.add_argument("names", nargs="*")
    arguments = parser.parse_args(shlex.split("--n 5 'a b' c"))
    return [vars(arguments), shlex.join(["a b", "c"]), parser.format_usage()]
# === pprint_repr
import pprint, reprlib
def execute_workflow(user_input):
    return [pprint.pformat({"b": list(range(30)), "a": {"x": "y" * 50}}, width=40), reprlib.repr(list(range(100))), repr("a'b\"\n\u200b\xe9"), ascii("ü"), repr(1e16), repr(b"\x00\xff'")]
# === locale_encodings
import codecs, locale, sys
def execute_workflow(user_input):
    return [sys.getdefaultencoding(), sys.getfilesystemencoding(), locale.getpreferredencoding(False), "ü".encode("latin-1").hex(), "ü".encode("utf-16-le").hex(), codecs.decode("uryyb", "rot13"), "x".encode("idna").decode(), "é".encode("cp1252").hex(), "日本".encode("shift_jis").hex(), b"\xff".decode("utf-8", "replace")]
# === ipaddress
import ipaddress as i
def execute_workflow(user_input):
    return [[str(n) for n in i.ip_network("10.0.0.0/30").hosts()], i.ip_address("::1").is_loopback, str(i.ip_address("10.0.0.1") + 300), i.ip_network("10.0.0.0/8").supernet_of(i.ip_network("10.1.0.0/16"))]
# === ast_dis_inspect
import ast, dis, inspect, tokenize, io
def execute_workflow(user_input):
    def sample(a, /, b: int = 2, *c, d, **e) -> str: ...
    return [str(inspect.signature(sample)), ast.unparse(ast.parse("x=1+2*  3")), ast.literal_eval("{'a': (1, [2])}"), [t.string for t in tokenize.generate_tokens(io.StringIO("a + 1").readline)], dis.opname[100] != ""]
# === graphlib_secrets_misc
import fnmatch, graphlib, operator, secrets, types
def execute_workflow(user_input):
    return [list(graphlib.TopologicalSorter({"c": {"b"}, "b": {"a"}}).static_order()), len(secrets.token_hex(8)), secrets.choice([1]), fnmatch.filter(["a.py", "b.txt"], "*.py"), operator.itemgetter(1, 0)("ab"), types.SimpleNamespace(a=1).a]
# === prints_and_big_numbers
import sys
def execute_workflow(user_input):
    print("seen by the log only"); print("and this", file=sys.stderr)
    try:
        str(10**5000)
    except ValueError as error:
        failure = str(error)
    return [len(str(10**4000)), failure.split(" (")[0], 2**200 % 10**9, int("ff", 16), f"{255:#010b}", f"{1/3:.3%}"]
# === contextvars_signals
import contextvars, signal
def execute_workflow(user_input):
    seen, variable = [], contextvars.ContextVar("v", default=0)
    contextvars.copy_context().run(variable.set, 5)
    signal.signal(signal.SIGUSR1, lambda number, frame: seen.append(number))
    signal.raise_signal(signal.SIGUSR1)
    return [variable.get(), seen == [signal.SIGUSR1]]
# === interpreter_flags
import sys, platform, sysconfig
def execute_workflow(user_input):
    return [sys.version, sys.implementation.name, sys.byteorder, sys.maxsize, sys.float_info.max, platform.python_version(), sys.getswitchinterval(), sys.flags.optimize, __debug__]
# === socket_refused
import socket
def execute_workflow(user_input):
    try:
        socket.socket()
    except OSError as error:
        return [type(error).__name__, error.strerror]
    return "a socket"
# === subprocess_refused
import subprocess
def execute_workflow(user_input):
    try:
        return subprocess.run(["/bin/true"]).returncode
    except OSError as error:
        return [type(error).__name__, error.strerror]
# === fork_refused
import os
def execute_workflow(user_input):
    try:
        child = os.fork()
    except OSError as error:
        return [type(error).__name__, error.strerror]
    if child == 0: os._exit(0)
    return os.waitpid(child, 0)[1]
# === urlopen_refused
import urllib.request, urllib.error
def execute_workflow(user_input):
    try:
        urllib.request.urlopen("http://127.0.0.1:1/", timeout=1)
    except urllib.error.URLError as error:
        return [type(error).__name__, type(error.reason).__name__]
# === file_locks
import fcntl
def execute_workflow(user_input):
    with open("f", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.lockf(file, fcntl.LOCK_UN)
    return "its own files only, and nobody else is there to ask"
# === environment
import os, sys
def execute_workflow(user_input):
    try:
        users = len(open("/etc/passwd").read(1))
    except OSError:
        users = None
    return [sorted(set(os.environ) - {"HOME", "TMPDIR"}), sys.argv, os.getcwd() == os.environ["HOME"], users]
