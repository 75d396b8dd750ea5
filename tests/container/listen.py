"""listen.py ADDRESS PORT COMMAND...: runs a program with a listening socket as its standard input."""

import os
import socket
import sys

listening = socket.create_server((sys.argv[1], int(sys.argv[2])))
os.dup2(listening.fileno(), 0)
os.execv(sys.argv[3], sys.argv[3:])
