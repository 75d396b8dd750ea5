<?php
/*
 * Mail as the libraries of web applications send it: send.php PORT TLS (SENDER RECIPIENT FILE)...
 *
 * Their habits: one connection kept for many messages, with RSET between them; EHLO again behind STARTTLS; the
 * envelope pipelined where that is offered, MAIL, RCPT and DATA in one write, the replies read behind it; the message
 * line by line, each in a write of its own, a dot put in front of one that begins with it; NOOP to see whether the
 * connection still lives. FILE has LF line ends. TLS is 1 or 0. Exits with 1 at the first reply that is not as wished.
 */

function reply($stream, string $wanted): array
{
    $lines = [];
    do {
        $line = fgets($stream, 1024);
        if ($line === false) {
            fwrite(STDERR, "the connection is lost, where $wanted was awaited\n");
            exit(1);
        }
        $lines[] = substr(rtrim($line, "\r\n"), 4);
    } while (($line[3] ?? '') === '-');
    if (strncmp($line, $wanted, strlen($wanted)) !== 0) {
        fwrite(STDERR, "not $wanted: $line");
        exit(1);
    }
    return $lines;
}

function ask($stream, string $command, string $wanted): array
{
    fwrite($stream, $command . "\r\n");
    return reply($stream, $wanted);
}

function send_body($stream, string $path): void
{
    foreach (new SplFileObject($path) as $line) {
        if ($line !== '') {
            fwrite($stream, ($line[0] === '.' ? '.' : '') . rtrim($line, "\n") . "\r\n");
        }
    }
    ask($stream, '.', '250 2.0.0 accepted as');
}

[, $port, $tls] = $argv;
$stream = stream_socket_client("tcp://127.0.0.1:$port", $number, $text, 60, STREAM_CLIENT_CONNECT,
    stream_context_create(['ssl' => ['verify_peer' => false, 'verify_peer_name' => false]]));
if ($stream === false) {
    fwrite(STDERR, "$text\n");
    exit(1);
}
stream_set_timeout($stream, 60);
reply($stream, '220');
$extensions = ask($stream, 'EHLO client.example.org', '250');
if ($tls === '1') {
    ask($stream, 'STARTTLS', '220');
    if (stream_socket_enable_crypto($stream, true, STREAM_CRYPTO_METHOD_TLS_CLIENT) !== true) {
        exit(1);
    }
    $extensions = ask($stream, 'EHLO client.example.org', '250');
}
foreach (array_chunk(array_slice($argv, 3), 3) as [$sender, $recipient, $path]) {
    $group = ["MAIL FROM:<$sender>" . (in_array('8BITMIME', $extensions) ? ' BODY=8BITMIME' : ''),
        "RCPT TO:<$recipient>", 'DATA'];
    if (in_array('PIPELINING', $extensions)) {
        fwrite($stream, implode("\r\n", $group) . "\r\n");
        foreach (['250', '250', '354'] as $wanted) {
            reply($stream, $wanted);
        }
    } else {
        foreach ($group as $i => $command) {
            ask($stream, $command, $i < 2 ? '250' : '354');
        }
    }
    send_body($stream, $path);
    ask($stream, 'NOOP', '250');
    ask($stream, 'RSET', '250');
}
ask($stream, 'QUIT', '221');
