#!/usr/bin/env python3
"""clients.py PORT COUNT: that many clients at once, each a connection of its own that delivers a message through
smtplib, with a long line, 8-bit text and a dot in front. Prints the subjects of those that were accepted."""

import smtplib
import sys
import threading

BODY = b"Subject: from client %d\r\nFrom: asker@example.org\r\n\r\n.dot\r\n\xff\xfe 8-bit\r\n" + b"x" * 5000 + b"\r\n"


def deliver(port, number, accepted):
    with smtplib.SMTP("127.0.0.1", port, local_hostname="client.example.org", timeout=60) as client:
        refused = client.sendmail("asker@example.org", ["a@example.com", "b@example.com"], BODY % number)
        if not refused:
            accepted.append(number)


def main():
    port, count = int(sys.argv[1]), int(sys.argv[2])
    accepted = []
    threads = [threading.Thread(target=deliver, args=(port, number, accepted)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(*(f"from client {number}" for number in sorted(accepted)), sep="\n")
    return len(accepted) != count


if __name__ == "__main__":
    sys.exit(main())
