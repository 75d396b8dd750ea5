#!/usr/bin/env python3
"""A web server for tests/handlers/webhook.sh: `webhook.py FOLDER [CERTIFICATE KEY]`, on a port of 127.0.0.1 that it
prints. What the path says is what happens: /404 gives that status, /429/17 has Retry-After as well, /flaky is 503 at
first. Each request is kept in FOLDER: NUMBER.head, a header a line, and NUMBER.body."""
import http.server
import itertools
import pathlib
import ssl
import sys
import threading
import time

folder = pathlib.Path(sys.argv[1])
numbers = itertools.count(1)
over = threading.Event()


class Hook(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        words = self.path.strip("/").split("/")
        if words[0] == "early":  # answers without reading what is sent
            self.answer(413, "too large")
            self.close_connection = True
            return
        body = self.rfile.read(int(self.headers["Content-Length"]))
        number = next(numbers)
        (folder / f"{number}.body").write_bytes(body)
        (folder / f"{number}.head.new").write_text(
            f"{self.command} {self.path}\n" + "".join(f"{name}: {value}\n" for name, value in self.headers.items()))
        (folder / f"{number}.head.new").rename(folder / f"{number}.head")
        if words[0] == "flaky":
            seen = folder / "flaky"
            self.answer(200 if seen.exists() else 503, "as it comes")
            seen.touch()
        elif words[0] == "redirect":
            self.answer(302, "elsewhere", Location="http://127.0.0.1:9/elsewhere")
        elif words[0] == "silent":
            over.wait(30)
        elif words[0] == "endless":
            self.send_response(200)
            self.end_headers()
            try:
                while not over.is_set():
                    self.wfile.write(b"and so on " * 100)
                    time.sleep(0.01)
            except OSError:
                self.close_connection = True
        elif words[0] == "odd":
            self.answer(200, "one\n\033[31mtwo\0three")
        else:
            more = {"Retry-After": words[1]} if len(words) > 1 else {}
            self.answer(int(words[0]), f"this is {words[0]}", **more)

    def answer(self, status, text, **headers):
        body = text.encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(0 if status == 204 else len(body)))
        self.end_headers()
        if status != 204:
            self.wfile.write(body)

    def log_message(self, *arguments):
        pass


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        pass  # a client that goes away, or trusts us not


server = Server(("127.0.0.1", 0), Hook)
if len(sys.argv) > 2:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[2], sys.argv[3])
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
print(server.server_address[1], flush=True)
server.serve_forever()
