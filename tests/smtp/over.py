#!/usr/bin/env python3
"""over.py ADDRESS COMMAND...: runs a command with a TCP connection from ADDRESS (an IPv4 or IPv6 one of this machine)
on descriptors 0, 1 and 2, as a super-server does; sends what is on standard input, and prints what comes back.
With ADDRESS-reset the connection is reset as soon as the receiver has said 354."""

import socket
import struct
import subprocess
import sys
import threading


def main():
    address, _, way = sys.argv[1].partition("-")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 0), family=family) as server:
        ours = socket.create_connection(server.getsockname()[:2])
        theirs = server.accept()[0]
    process = subprocess.Popen(sys.argv[2:], stdin=theirs, stdout=theirs, stderr=theirs)
    theirs.close()
    ours.settimeout(60)

    def send():
        try:
            ours.sendall(sys.stdin.buffer.read())
            if way != "reset":
                ours.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    thread = threading.Thread(target=send)
    thread.start()
    seen = b""
    try:
        while data := ours.recv(65536):
            sys.stdout.buffer.write(data)
            seen += data
            if way == "reset" and b"\n354 " in seen:
                break
    except OSError:
        pass
    thread.join()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", way == "reset", 0))
    ours.close()
    return process.wait(60)


if __name__ == "__main__":
    sys.exit(main())
