"""The cell's end of the socket: frames out under a lock, replies in wherever somebody reads.

Who reads: the event loop that called, as long as only one loop calls and little is under way; else a thread of its own,
which is started when it is first needed and reads from then on. A loop needs no thread and no switch of threads, which
cost more than the call. The thread always reads, so a program that sends much cannot deadlock with a worker that
answers much; a loop does not read while it sends, so it has only as much under way as the worker takes in.
"""

import _thread
import json
import os

_PREFIX_BYTES = 4
_READ_BYTES_MAX = 1 << 16
# A quarter of what the worker takes in while it cannot send (CALLS_IN_FLIGHT_MAX).
_LOOP_CALLS_MAX = 64
# The reader that stays.
_THREAD = object()
# Who waits for a reply that nobody asked for.
_NOBODY = (lambda outcome: None), None

_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def dumps(value):
    """Strict JSON as UTF-8; raises on what is not JSON."""
    return _encoder.encode(value).encode("utf-8")


class Channel:
    def __init__(self, fd):
        self._fd = fd
        self._send_lock = _thread.allocate_lock()
        # Held for who reads, and by a loop while it reads: nobody takes away what it was told is there.
        self._reader_lock = _thread.RLock()
        self._reader = None
        self._pending = {}
        self._last_id = 0
        self._received = bytearray()

    def send(self, message):
        self.send_bytes(dumps(message))

    def send_bytes(self, body):
        frame = memoryview(len(body).to_bytes(_PREFIX_BYTES, "big") + body)
        with self._send_lock:
            while frame:
                frame = frame[os.write(self._fd, frame) :]

    def request(self, message, deliver, loop=None):
        """Sends a call; `deliver(outcome)` is called once: in `loop`, or without one on the reading thread."""
        with self._reader_lock:
            if self._reader is not _THREAD:
                self._settle_reader(loop)
            self._last_id += 1
            call_id = self._last_id
            self._pending[call_id] = deliver, loop
        try:
            self.send_bytes(b'{"call":{"id":%d,%s}}' % (call_id, message))
        except BaseException:
            self._pending.pop(call_id, None)
            raise

    def let_go(self):
        """Ends the reading of a loop."""
        if self._reader is not None and self._reader is not _THREAD:
            self._reader.remove_reader(self._fd)
            self._reader = None

    def _settle_reader(self, loop):
        reader = self._reader
        if loop is not None and len(self._pending) < _LOOP_CALLS_MAX:
            if reader is loop:
                return
            if reader is None or reader.is_closed():
                try:
                    loop.add_reader(self._fd, self._read_in_loop, loop)
                except Exception:
                    pass  # a loop of the program's own making
                else:
                    self._reader = loop
                    return
        _thread.start_new_thread(self._read_in_thread, ())
        self._reader = _THREAD

    def _read_in_loop(self, loop):
        with self._reader_lock:
            if self._reader is loop:
                self._receive(loop)
            else:
                loop.remove_reader(self._fd)

    def _read_in_thread(self):
        with self._reader_lock:
            pass  # a loop that reads just now has read by then
        while True:
            self._receive(None)

    def _receive(self, here):
        """Reads once and delivers what is whole; `here` is the loop that does it."""
        try:
            chunk = os.read(self._fd, _READ_BYTES_MAX)
            if not chunk:
                raise EOFError
            self._received += chunk
            for reply in self._whole_replies():
                deliver, loop = self._pending.pop(reply["id"], _NOBODY)
                if loop is here:
                    deliver(reply["outcome"])
                else:
                    _hand_over(loop, deliver, reply["outcome"])
        except BaseException:
            # Without the worker there is nothing left to run for.
            os._exit(70)

    def _whole_replies(self):
        received = self._received
        while len(received) >= _PREFIX_BYTES:
            end = _PREFIX_BYTES + int.from_bytes(received[:_PREFIX_BYTES], "big")
            if len(received) < end:
                return
            body = received[_PREFIX_BYTES:end]
            del received[:end]
            yield json.loads(body)["reply"]


def _hand_over(loop, deliver, outcome):
    if loop is None:
        deliver(outcome)
        return
    try:
        loop.call_soon_threadsafe(deliver, outcome)
    except RuntimeError:
        pass  # the loop was closed; nobody waits any more
