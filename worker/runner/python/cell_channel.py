"""The cell's end of the socket: frames out under a lock, replies in on a thread of their own.

The thread is started by the first call, so a program without tools has one thread. It always reads, so a program that
sends much cannot deadlock with a worker that answers much.
"""

import _thread
import json
import os

_PREFIX_BYTES = 4

_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def dumps(value):
    """Strict JSON as UTF-8; raises on what is not JSON."""
    return _encoder.encode(value).encode("utf-8")


class Channel:
    def __init__(self, fd):
        self._fd = fd
        self._send_lock = _thread.allocate_lock()
        self._pending_lock = _thread.allocate_lock()
        self._pending = {}
        self._last_id = 0
        self._reading = False

    def send(self, message):
        self.send_bytes(dumps(message))

    def send_bytes(self, body):
        frame = memoryview(len(body).to_bytes(_PREFIX_BYTES, "big") + body)
        with self._send_lock:
            while frame:
                frame = frame[os.write(self._fd, frame) :]

    def request(self, message, deliver):
        """Sends a call; `deliver(outcome)` is called once, on the reading thread."""
        with self._pending_lock:
            self._last_id += 1
            call_id = self._last_id
            if not self._reading:
                _thread.start_new_thread(self._read_replies, ())
                self._reading = True
            self._pending[call_id] = deliver
        try:
            self.send_bytes(b'{"call":{"id":%d,%s}}' % (call_id, message))
        except BaseException:
            self._pending.pop(call_id, None)
            raise

    def _read_replies(self):
        try:
            while True:
                length = int.from_bytes(self._read_exactly(_PREFIX_BYTES), "big")
                reply = json.loads(self._read_exactly(length))["reply"]
                deliver = self._pending.pop(reply["id"], None)
                if deliver is not None:
                    deliver(reply["outcome"])
        except BaseException:
            # Without the worker there is nothing left to run for.
            os._exit(70)

    def _read_exactly(self, count):
        chunks = []
        while count:
            chunk = os.read(self._fd, min(count, 1 << 16))
            if not chunk:
                raise EOFError
            chunks.append(chunk)
            count -= len(chunk)
        return b"".join(chunks)
