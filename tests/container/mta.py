"""mta.py POSTFIX|EXIM FOLDER HOST SENDER RECIPIENT: has a real mail server, started in FOLDER, take a message and pass
it on to HOST, port 25. Ends when that has taken it, with 0; prints the server's log when it does not."""

import pathlib
import smtplib
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import peers  # noqa: E402

which, folder, host, sender, recipient = sys.argv[1:]
SECONDS = 60


class Postfix(peers.Postfix):
    settings = f"""myhostname = outside.example.org
relayhost = [{host}]:25
mydestination =
smtpd_relay_restrictions = permit_mynetworks, reject
disable_dns_lookups = yes
smtp_tls_security_level = none"""
    log = "log"
    sent = "status=sent"


class Exim(peers.Exim):
    settings = f"""acl_smtp_rcpt = accept
rfc1413_query_timeout = 0s
begin routers
onwards:
  driver = manualroute
  route_list = * {host} byname
  transport = onwards
begin transports
onwards:
  driver = smtp
  hosts_avoid_tls = *"""
    log = "spool/mainlog"
    sent = " => "


server = {"POSTFIX": Postfix, "EXIM": Exim}[which](folder)
try:
    server.start()
except peers.Missing as why:
    sys.exit(f"missing: {why}")
try:
    with smtplib.SMTP("127.0.0.1", server.port) as client:
        client.sendmail(sender, [recipient], f"From: {sender}\nTo: {recipient}\nSubject: by {which}\n\nhello\n")
    deadline = time.monotonic() + SECONDS
    text = ""
    while server.sent not in text:
        if time.monotonic() > deadline:
            sys.exit(text)
        time.sleep(0.1)
        path = server.folder / server.log
        text = path.read_text(errors="replace") if path.exists() else ""
finally:
    server.stop()
