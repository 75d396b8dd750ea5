-- Times are integer milliseconds since 1970-01-01 UTC. The words of `state` are those of common/state.h.

CREATE TABLE message (
    id                TEXT PRIMARY KEY CHECK (length(id) = 16),
    received_ms       INTEGER NOT NULL,
    sender            TEXT NOT NULL,            -- '' is the null sender
    client_address    TEXT NOT NULL,            -- IPv4, IPv6, or 'local'
    client_helo       TEXT NOT NULL,
    client_protocol   TEXT NOT NULL,            -- RFC 3848
    tls               TEXT NOT NULL DEFAULT '', -- protocol and cipher
    size_bytes        INTEGER NOT NULL,         -- of the spool file
    queued_ms         INTEGER,                  -- when its deliveries were made; NULL: not yet
    ended_ms          INTEGER,                  -- when all of them had ended; NULL: not yet
    subject           TEXT,                     -- the decoded headers; NULL until the message was parsed
    header_from       TEXT,
    header_to         TEXT,
    header_date       TEXT,
    header_reply_to   TEXT,
    header_message_id TEXT,
    header_references TEXT,
    header_list_id    TEXT,
    no_reply          TEXT                      -- '' or why it must not be answered automatically
) STRICT;

CREATE INDEX message_unqueued ON message (id) WHERE queued_ms IS NULL;
CREATE INDEX message_unended ON message (id) WHERE ended_ms IS NULL;

CREATE TABLE recipient (
    message_id TEXT NOT NULL REFERENCES message (id) ON DELETE CASCADE,
    position   INTEGER NOT NULL, -- order of RCPT, from 1
    address    TEXT NOT NULL,
    PRIMARY KEY (message_id, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE delivery (
    id              INTEGER PRIMARY KEY,
    message_id      TEXT NOT NULL REFERENCES message (id) ON DELETE CASCADE,
    recipient       INTEGER NOT NULL,           -- recipient.position
    route           TEXT NOT NULL,
    handler         TEXT NOT NULL,
    position        INTEGER NOT NULL,           -- of the handler in its route, from 1
    state           TEXT NOT NULL
        CHECK (state IN ('pending', 'running', 'retry', 'done', 'dead', 'skipped', 'cancelled')),
    due_ms          INTEGER,                    -- NULL: has ended, runs, or waits for the handler before it
    queued_ms       INTEGER NOT NULL,           -- the give-up time counts from here
    ended_ms        INTEGER,
    attempts        INTEGER NOT NULL DEFAULT 0, -- all that were ever made
    attempts_before INTEGER NOT NULL DEFAULT 0, -- those made before the last replay
    replay          INTEGER NOT NULL DEFAULT 0,
    output          TEXT,                       -- a file in the spool's out/: a letter, or what a filter made
    replied_to      TEXT,                       -- to whom an automatic reply went
    detail          TEXT NOT NULL DEFAULT '',   -- why it is in this state
    UNIQUE (message_id, recipient, route, handler)
) STRICT;

CREATE INDEX delivery_due ON delivery (route, handler, due_ms, id) WHERE state IN ('pending', 'retry');
CREATE INDEX delivery_state ON delivery (state, id);
CREATE INDEX delivery_replied ON delivery (replied_to, ended_ms) WHERE replied_to IS NOT NULL;

CREATE TABLE attempt (
    id          INTEGER PRIMARY KEY,
    delivery_id INTEGER NOT NULL REFERENCES delivery (id) ON DELETE CASCADE,
    number      INTEGER NOT NULL,           -- from 1
    started_ms  INTEGER NOT NULL,
    ended_ms    INTEGER,                    -- NULL: running
    outcome     TEXT NOT NULL               -- the state the delivery went to
        CHECK (outcome IN ('pending', 'running', 'retry', 'done', 'dead', 'skipped', 'cancelled')),
    exit_code   INTEGER,                    -- NULL: ended by a signal, or never started
    signal      INTEGER,
    detail      TEXT NOT NULL DEFAULT '',   -- in words, what the exit meant
    stdout      BLOB NOT NULL DEFAULT x'',  -- the last 16 KiB
    stderr      BLOB NOT NULL DEFAULT x'',
    UNIQUE (delivery_id, number)
) STRICT;

CREATE TABLE rejection (
    id             INTEGER PRIMARY KEY,
    rejected_ms    INTEGER NOT NULL,
    client_address TEXT NOT NULL,
    client_helo    TEXT NOT NULL,
    sender         TEXT NOT NULL,
    recipient      TEXT NOT NULL,
    reply          TEXT NOT NULL
) STRICT;

CREATE INDEX rejection_time ON rejection (rejected_ms);
