"""What programs use of the standard library, each with an answer known from plain CPython."""
import base64, calendar, collections, copy, csv, dataclasses, datetime, decimal, difflib, email, email.policy, enum
import fractions, functools, gzip, hashlib, heapq, hmac, html, html.parser, inspect, io, ipaddress, itertools, json
import logging, math, pickle, pprint, random, re, sqlite3, statistics, string, struct, textwrap, time, typing
import unicodedata, urllib.parse, uuid, xml.etree.ElementTree, zipfile, zlib, zoneinfo, bz2, lzma, platform, tomllib
import configparser, curses.ascii, http.client, http.cookies, shelve, ssl, xml.dom.minidom


@dataclasses.dataclass(order=True)
class Point:
    x: int
    y: "typing.Optional[int]" = None


class Colour(enum.Enum):
    RED = 1


def execute_workflow(user_input):
    assert dataclasses.asdict(Point(1, 2)) == {"x": 1, "y": 2}
    assert pickle.loads(pickle.dumps(Point(3))) == Point(3) and pickle.loads(pickle.dumps(Colour.RED)) is Colour.RED
    assert "class Point" in inspect.getsource(Point)
    summer = datetime.datetime(2024, 7, 1, 12, tzinfo=zoneinfo.ZoneInfo("Europe/Paris"))
    assert summer.utcoffset() == datetime.timedelta(hours=2)
    assert list(csv.DictReader(io.StringIO("a,b\n1,2\n"))) == [{"a": "1", "b": "2"}]
    assert decimal.Decimal("0.1") + decimal.Decimal("0.2") == decimal.Decimal("0.3")
    database = sqlite3.connect(":memory:")
    assert database.execute("select upper('x'), sqlite_version()").fetchone()[0] == "X"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_LZMA) as z:
        z.writestr("a.txt", "hello")
    assert zipfile.ZipFile(archive).read("a.txt") == b"hello"
    assert statistics.median([1, 3, 2]) == 2 and fractions.Fraction(1, 3) * 3 == 1
    assert unicodedata.normalize("NFD", "é") == "e\u0301"
    assert difflib.get_close_matches("appel", ["ape", "apple"]) == ["apple", "ape"]
    assert html.unescape("&eacute;") == "é"
    assert xml.etree.ElementTree.fromstring("<a><b>1</b></a>").find("b").text == "1"
    message = email.message_from_string("Subject: =?utf-8?q?=C3=A9?=\n\nbody", policy=email.policy.default)
    assert message["subject"] == "é"
    assert hashlib.sha256(b"").hexdigest().startswith("e3b0c442") and len(hashlib.scrypt(b"", salt=b"", n=2, r=1, p=1)) == 64
    assert gzip.decompress(gzip.compress(b"x")) == bz2.decompress(bz2.compress(b"x")) == lzma.decompress(lzma.compress(b"x"))
    assert re.sub(r"(?P<w>\w+)", lambda m: m["w"][::-1], "abc def") == "cba fed"
    assert uuid.UUID(str(uuid.uuid4())).version == 4 and uuid.uuid1().version == 1
    assert logging.getLogger("x").isEnabledFor(logging.WARNING)
    assert ssl.create_default_context() and http.cookies.SimpleCookie("a=1")["a"].value == "1"
    assert time.strftime("%Z") == "UTC" and platform.system() == "Linux" and platform.platform()
    assert "café".encode("latin-1") and "ü".encode("cp437") and "名".encode("shift_jis")
    assert max(map(len, textwrap.wrap("word " * 30))) <= 70 and math.isclose(math.fsum([0.1] * 10), 1)
    assert tomllib.loads("a = 1") == {"a": 1} and ipaddress.ip_address("::1").is_loopback
    try:
        {}["missing"]
    except KeyError as error:
        assert error.__traceback__.tb_lineno > 0
    return "ok"
