"""What every cell finds imported already. Run once in the zygote, then frozen.

Only modules without state, threads, descriptors or event loops may stand here: every cell inherits them.
"""

import gc
# The standard library that programs use most, and what asyncio, tracebacks and tools need.
import abc, argparse, array, ast, asyncio, base64, binascii, bisect, calendar, cmath, codecs, collections
import collections.abc, concurrent.futures, concurrent.futures.thread, contextlib, contextvars, copy, csv, ctypes
import dataclasses, datetime, decimal, difflib, email, email.message, email.parser, email.policy, encodings.idna
import encodings.ascii, encodings.latin_1, encodings.utf_16, encodings.utf_8, encodings.utf_8_sig, encodings.cp1252
import enum, errno, fnmatch, fractions, functools, getpass, glob, gzip, hashlib, heapq, hmac, html, html.entities
import html.parser, importlib, importlib.util, inspect, io, ipaddress, itertools, json, keyword, linecache, locale
import logging, lzma, bz2, math, mimetypes, numbers, operator, os, pathlib, pickle, platform, pprint, queue, random
import re, reprlib, resource, secrets, selectors, shlex, shutil, signal, sqlite3, stat, statistics, string, stringprep
import struct, sys, tempfile, textwrap, threading, time, timeit, token, tokenize, tomllib, traceback, types, typing
import unicodedata, urllib.parse, uuid, warnings, weakref, xml.etree.ElementTree, xml.dom.minidom, xml.sax.saxutils
import zipfile, zlib, zoneinfo

import cell
import zygote_first

zygote_first.allow_hooks()


def freeze(tools, limits, work_folder):
    """Moves everything made so far out of the collector's sight, so that a cell's collections do not copy it.

    Returns the descriptors of the event loop, which no cell may share.
    """
    re.compile(r"(\w+)\s*")  # the compiler's own tables
    datetime.datetime.strptime("2000-01-01", "%Y-%m-%d")  # imports _strptime
    "a".encode("idna")
    loop_descriptors = cell.prepare(json.loads(tools), json.loads(limits), work_folder)
    gc.collect()
    gc.freeze()
    return loop_descriptors


def library_folders():
    """Folders with modules, and those with the shared objects that lazily imported extensions need."""
    folders = [folder for folder in sys.path if os.path.isdir(folder)]
    with open("/proc/self/maps") as maps:
        mapped = {line.split(maxsplit=5)[5].strip() for line in maps if line.count("/")}
    folders.extend(os.path.dirname(path) for path in mapped if ".so" in os.path.basename(path))
    return sorted(set(folders))
