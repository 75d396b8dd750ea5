#!/usr/bin/env python3
"""takeover.py SESSION FRAME...: plays a session that was taken over. Stops the process SESSION, takes a copy of its
end of the socketpair to the writer, and sends each frame (hexadecimal) to the writer. Ends with 2 where the system
does not let one process take another's descriptors."""

import ctypes
import os
import signal
import socket
import stat
import sys

PIDFD_GETFD = 438  # on every machine


def main():
    session = int(sys.argv[1])
    os.kill(session, signal.SIGSTOP)
    process = os.pidfd_open(session)
    libc = ctypes.CDLL(None, use_errno=True)
    # Its client is on pipes: the one socket it has is the way to the writer.
    ends = [int(fd) for fd in os.listdir(f"/proc/{session}/fd")
            if stat.S_ISSOCK(os.stat(f"/proc/{session}/fd/{fd}").st_mode)]
    if len(ends) != 1:
        raise SystemExit(f"{len(ends)} sockets")
    fd = libc.syscall(PIDFD_GETFD, process, ends[0], 0)
    if fd < 0:
        print(os.strerror(ctypes.get_errno()))
        return 2
    with socket.socket(fileno=fd) as end:
        for frame in sys.argv[2:]:
            end.send(bytes.fromhex(frame))
    return 0


if __name__ == "__main__":
    sys.exit(main())
