#!/usr/bin/env python3
"""listen.py FILE HOW PROGRAM ...: starts a program with listening sockets, as a super-server does.

HOW is "stdin" (xinetd's wait = yes), or a number of sockets for LISTEN_FDS, as systemd passes them; "ip6" is stdin
with a socket on ::1, "mapped" with an IPv6 socket for 127.0.0.1. Their ports on 127.0.0.1 are written into FILE, one a line, before the program takes this process over.
"""
import os
import socket
import sys

path, how, program = sys.argv[1], sys.argv[2], sys.argv[3:]
address = {"ip6": "::1", "mapped": "::ffff:127.0.0.1"}.get(how, "127.0.0.1")
count = int(how) if how.isdigit() else 1
sockets = []
for _ in range(count):
    listening = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    if how == "mapped":
        listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    listening.bind((address, 0))
    listening.listen(256)
    sockets.append(listening)
null = os.open("/dev/null", os.O_RDWR)
if not how.isdigit():
    os.dup2(sockets[0].fileno(), 0)
else:
    os.dup2(null, 0)
    # Out of the way first: a socket may stand where another one goes.
    high = [os.dup2(s.fileno(), 100 + i) for i, s in enumerate(sockets)]
    for i, fd in enumerate(high):
        os.dup2(fd, 3 + i)
    os.environ.update(LISTEN_FDS=str(count), LISTEN_PID=str(os.getpid()))
with open(path + ".new", "w") as ports:
    for listening in sockets:
        print(listening.getsockname()[1], file=ports)
os.rename(path + ".new", path)
os.execv(program[0], program)
