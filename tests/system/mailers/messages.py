"""What the mail programs are given to send, and how it is told whether it has arrived as it was."""

import base64
import dataclasses
import pathlib
import quopri
import re

LARGE_SIZE = 25 << 20

RECIPIENT, RECIPIENT_UTF8 = "a@example.com", "straße@all.example.com"
LINE = b"0123456789" * 7 + b"\n"
BODIES = {
    "plain": b"How are you?\n\nFrom here on all is well.\n",
    "dots": b".\n..\n...\n.dot\n . \nto the end.\n",
    "a dot at the end": b"one\n.\n",
    "empty": b"",
    "eight-bit": "Grüße aus München, 日本\n".encode(),
    "raw bytes": bytes(range(0x80, 0x100)) + b"\n\xff\xfe\xc3\n",
    "long lines": b"x" * 998 + b"\n" + b"y" * 999 + b"\n" + b"z" * 5000 + b"\nshort\n",
    "UTF-8 addresses": "an die Straße\n".encode(),
    "25 MiB": LINE * (LARGE_SIZE // len(LINE) + 1),
}


@dataclasses.dataclass
class Message:
    kind: str
    sender: str  # by which it is found again
    recipient: str
    head: bytes  # LF line ends, as all that follows; its empty line included
    body: bytes
    file: pathlib.Path  # the whole of it

    @property
    def text(self):
        return self.head + self.body


def make(folder, mailer, way, kind):
    word = f"{mailer}-{way}-{kind}".replace(" ", "-")
    is_utf8 = kind == "UTF-8 addresses"
    head = (f"From: asker@example.org\nTo: {RECIPIENT}\nSubject: {word}\nDate: Mon, 05 Jan 2026 10:00:00 +0000\n"
            f"Message-ID: <{word}@client.example.org>\nMIME-Version: 1.0\n"
            "Content-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: 8bit\n\n").encode()
    file = pathlib.Path(folder) / f"{word}.eml"
    message = Message(kind, ("grüße-" if is_utf8 else "") + f"{word}@example.org",
                      RECIPIENT_UTF8 if is_utf8 else RECIPIENT, head, BODIES[kind], file)
    file.write_bytes(message.text)
    return message


# ---- what has arrived --------------------------------------------------------------------------------------

TRACE = re.compile(
    rb"Return-Path: <(?P<sender>[^>\n]*)>\n(?P<recipients>(?:X-Original-To: [^\n]*\n)+)"
    rb"Received: from \S+ \(\[127\.0\.0\.1\]\)\n\tby mail\.example\.com with (?P<protocol>[A-Z0-9]+) id (?P<id>[0-9A-Z]{16})"
    rb"(?P<tls> \(TLSv1\.[23] [A-Z0-9_-]+\))?;\n"
    rb"\t\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000\n")
ADDED = re.compile(rb"(?:(?:Received|Return-Path|X-[A-Za-z-]+):[^\n]*\n(?:[ \t][^\n]*\n)*)*")


def decode_body(text):
    """The body of a whole message as it was before it was encoded for its way."""
    head, _, body = text.partition(b"\n\n")
    encoding = re.search(rb"^Content-Transfer-Encoding:\s*(\S+)", head, re.IGNORECASE | re.MULTILINE)
    encoding = encoding[1].lower() if encoding else b"8bit"
    if encoding == b"quoted-printable":
        return quopri.decodestring(body)
    return base64.b64decode(body) if encoding == b"base64" else body


def differs(got, message, added):
    """Why what has arrived is not what was sent; None: it is. `added` is what the program does to it: nothing; "trace":
    fields before the others; "head": the header is its own, and the body encoded as it likes."""
    wanted = message.body if added == "head" else message.text
    if added == "head":
        got = decode_body(got)
    elif added == "trace":
        got = got[ADDED.match(got).end():]  # up to From, with which what was sent begins
    if got == wanted:
        return None
    at = next((i for i, (one, two) in enumerate(zip(got, wanted)) if one != two), min(len(got), len(wanted)))
    return f"{len(got)} bytes, not {len(wanted)}; at {at}: {got[at:at + 60]!r}, not {wanted[at:at + 60]!r}"


def check(stored, message, way_is_tls, mailer):
    """Gives what is wrong with a message's files in the spool, or None."""
    if len(stored) != 1:
        return f"{len(stored)} of it are in the spool"
    text = stored[0].read_bytes()
    trace = TRACE.match(text)
    if not trace:
        return f"no good trace block: {text[:300]!r}"
    recipients = re.findall(rb"X-Original-To: (.*)\n", trace["recipients"])
    if recipients != [message.recipient.encode()]:
        return f"recipients {recipients}"
    protocol = ("UTF8SMTP" if message.kind == "UTF-8 addresses" else "ESMTP") + ("S" if way_is_tls else "")
    came_by = trace["protocol"].decode()
    if came_by not in (protocol, mailer.humble) or bool(trace["tls"]) != way_is_tls:
        return f"it came by {came_by}{(trace['tls'] or b'').decode()}, not {protocol}"
    return differs(text[trace.end():], message, mailer.added)
