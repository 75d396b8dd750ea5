"""The programs that send, one a class, in the table at the end.

    mailer = Swaks(folder, port, tls)      folder: its own; port: where the receiver is; tls: whether by STARTTLS
    mailer.start(); mailer.send([message, ...]); mailer.stop()

send() raises Failure when a program says that it could not. `added` is what the program does to a message, see
messages.differs(); `kinds` are those that it can send as they are; `settles` tells that what it has taken is on its
way when send() returns, not there yet.
"""

import os
import pathlib
import shutil
import smtplib
import ssl
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
import peers  # noqa: E402

SECONDS = 120  # for one message, however busy the machine is
ALL = ("plain", "dots", "a dot at the end", "empty", "eight-bit", "raw bytes", "long lines", "UTF-8 addresses")
NO_UTF8 = tuple(kind for kind in ALL if kind != "UTF-8 addresses")


class Failure(Exception):
    pass


class Mailer:
    name = None
    added = None
    kinds = ALL
    humble = None  # the protocol when it may say HELO
    settles = False

    def __init__(self, folder, port, tls):
        self.folder = pathlib.Path(folder)
        self.port = port
        self.tls = tls

    def start(self):
        self.folder.mkdir(parents=True)

    def stop(self):
        pass

    def send(self, messages):
        for message in messages:
            self.send_one(message)

    def send_one(self, message):
        raise NotImplementedError

    def run(self, command, input_=b"", **environment):
        if shutil.which(command[0]) is None:
            raise peers.Missing(f"{command[0]} is not installed")
        environment = os.environ | {"HOME": str(self.folder), "LC_ALL": "C.UTF-8"} | environment
        try:
            done = subprocess.run(command, input=input_, capture_output=True, timeout=SECONDS, env=environment,
                                  cwd=self.folder)
        except subprocess.TimeoutExpired as error:
            raise Failure(f"{command[0]} takes longer than {SECONDS} s") from error
        if done.returncode != 0:
            said = (done.stdout + done.stderr)[-1000:].decode(errors="replace")
            raise Failure(f"{command[0]} exits with {done.returncode}: {said}")


# ---- programs that are run for a message -------------------------------------------------------------------


class Swaks(Mailer):
    """It ends the last line itself, takes a dot in it for the end, and makes a line of an empty body."""

    name = "swaks"
    kinds = tuple(kind for kind in NO_UTF8 if kind not in ("a dot at the end", "empty"))

    def send_one(self, message):
        file = self.folder / "message"
        file.write_bytes(message.text.removesuffix(b"\n"))
        self.run(["swaks", "--server", f"127.0.0.1:{self.port}", "--helo", "client.example.org", "--timeout", "60",
                  "--silent", "2", "--pipeline", *(["--tls"] if self.tls else []), "--from", message.sender,
                  "--to", message.recipient, "--data", f"@{file}"])


class Msmtp(Mailer):
    name = "msmtp"
    kinds = NO_UTF8

    def send_one(self, message):
        self.run(["msmtp", "--host=127.0.0.1", f"--port={self.port}", "--domain=client.example.org", "--auth=off",
                  "--file=/dev/null", *(["--tls=on", "--tls-starttls=on", "--tls-certcheck=off"] if self.tls else []),
                  f"--from={message.sender}", message.recipient], message.text)


class Curl(Mailer):
    """It sends a file as it is: line ends are the user's affair."""

    name = "curl"

    def send_one(self, message):
        file = self.folder / "message"
        file.write_bytes(message.text.replace(b"\n", b"\r\n"))
        self.run(["curl", "-sS", f"smtp://127.0.0.1:{self.port}/client.example.org", "--mail-from", message.sender,
                  "--mail-rcpt", message.recipient, "--upload-file", file, *(["--ssl-reqd", "-k"] if self.tls else [])])


class Mutt(Mailer):
    """Its header, its choice of an encoding: what is too long for a line or no text goes as quoted-printable."""

    name = "mutt"
    added = "head"
    humble = "SMTP"  # it says EHLO when it wants more than that: 8-bit text, TLS
    kinds = tuple(kind for kind in ALL if kind != "raw bytes")  # it takes its input to be text in the locale's charset

    def send_one(self, message):
        settings = [f'smtp_url="smtp://127.0.0.1:{self.port}/"', 'hostname="client.example.org"', "use_envelope_from",
                    f'envelope_from_address="{message.sender}"', 'from="asker@example.org"', 'record=""',
                    "noabort_nosubject", "allow_8bit", 'send_charset="us-ascii:utf-8"', 'signature=""',
                    f"ssl_starttls={'yes' if self.tls else 'no'}", f"ssl_force_tls={'yes' if self.tls else 'no'}",
                    "ssl_verify_host=no", f'certificate_file="{os.environ["CERTIFICATE"]}"']
        rc = self.folder / "muttrc"
        rc.write_text("".join(f"set {line}\n" for line in settings))
        self.run(["mutt", "-n", "-F", rc, "-s", message.kind, "--", message.recipient], message.body)


class Git(Mailer):
    name = "git send-email"
    added = "head"
    kinds = NO_UTF8

    def send_one(self, message):
        tls = ["--smtp-encryption=tls"] if self.tls else []
        self.run(["git", "-c", "sendemail.smtpSSLCertPath=", "send-email", "--quiet", "--smtp-server=127.0.0.1", f"--smtp-server-port={self.port}", *tls,
                  "--smtp-domain=client.example.org", "--from=asker@example.org", f"--to={message.recipient}",
                  f"--envelope-sender={message.sender}", "--confirm=never", "--suppress-cc=all", "--no-thread",
                  "--no-validate", "--transfer-encoding=8bit", "--8bit-encoding=UTF-8", message.file],
                 GIT_CONFIG_NOSYSTEM="1")


# ---- programs that send several by one connection ----------------------------------------------------------


class Php(Mailer):
    name = "PHP"
    kinds = NO_UTF8

    def send(self, messages):
        words = [word for message in messages for word in (message.sender, message.recipient, message.file)]
        script = pathlib.Path(__file__).with_name("send.php")
        self.run(["php", "-d", "memory_limit=512M", script, str(self.port), str(int(self.tls)), *words])


def send_by_smtplib(port, tls, messages):
    with smtplib.SMTP("127.0.0.1", port, local_hostname="client.example.org", timeout=SECONDS) as client:
        if tls:
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            client.starttls(context=context)
        client.ehlo()
        for message in messages:
            options = ["BODY=8BITMIME"] if client.has_extn("8bitmime") else []
            options += ["SMTPUTF8"] if message.kind == "UTF-8 addresses" else []
            client.sendmail(message.sender, [message.recipient], message.text.replace(b"\n", b"\r\n"), options)


class Smtplib(Mailer):
    name = "Python's smtplib"

    def send(self, messages):
        try:
            send_by_smtplib(self.port, self.tls, messages)
        except (smtplib.SMTPException, OSError) as error:
            raise Failure(repr(error)) from error


# ---- mail servers, that pass on what they are given by SMTP ------------------------------------------------


class Relay(Mailer):
    added = "trace"
    settles = True
    server_class = None

    def server(self):
        """The server, with the settings that make it pass on everything to the receiver."""
        raise NotImplementedError

    def start(self):
        self.peer = self.server()
        self.peer.patience = 60
        self.peer.start()

    def stop(self):
        self.peer.stop()

    def send(self, messages):
        try:
            send_by_smtplib(self.peer.port, False, messages)
        except (smtplib.SMTPException, OSError) as error:
            output = (self.peer.folder / "output").read_text(errors="replace")[-1000:]
            raise Failure(f"{error!r}; {output}") from error


class Postfix(Relay):
    """It has no BDAT as a client."""

    name = "Postfix"

    def server(self):
        server = peers.Postfix(self.folder)
        server.settings = f"""relayhost = [127.0.0.1]:{self.port}
mydestination =
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
disable_dns_lookups = yes
smtp_tls_security_level = {"encrypt" if self.tls else "none"}
smtp_line_length_limit = 0
message_size_limit = 50000000
mailbox_size_limit = 0
smtp_destination_concurrency_limit = 4"""
        return server


class OpenSMTPD(Relay):
    """It does not know SMTPUTF8."""

    name = "OpenSMTPD"
    kinds = NO_UTF8

    def server(self):
        server = peers.OpenSMTPD(self.folder)
        way = f'"smtp+tls://127.0.0.1:{self.port}" tls no-verify' if self.tls else f'"smtp+notls://127.0.0.1:{self.port}"'
        server.settings = f"""smtp max-message-size "50M"
action "pass on" relay host {way}
match from any for any action "pass on"
"""
        return server


class Exim(Relay):
    """With CHUNKING, which it uses as soon as it is offered."""

    name = "Exim"

    def server(self):
        server = peers.Exim(self.folder)
        server.settings = f"""acl_smtp_rcpt = accept
message_size_limit = 50M
smtputf8_advertise_hosts = *
rfc1413_query_timeout = 0s
log_selector = +smtp_confirmation
begin routers
smarthost:
  driver = manualroute
  route_list = * 127.0.0.1::{self.port} byname
  self = send
  transport = pass_on
begin transports
pass_on:
  driver = smtp
  hosts_{"require" if self.tls else "avoid"}_tls = *
  message_linelength_limit = 1000000
"""
        return server

    def stop(self):
        super().stop()
        log = (self.folder / "spool/mainlog").read_text(errors="replace")
        # Of each delivery that Exim made by BDAT its log says K.
        if " => " in log and " K " not in log:
            raise Failure("no chunk was sent: " + log[-1000:])


TABLE = (Swaks, Msmtp, Curl, Mutt, Git, Php, Smtplib, Postfix, OpenSMTPD, Exim)
