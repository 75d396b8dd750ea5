-- How long what is kept, duplicates, and the programs that are told of dead deliveries.

-- What its file is, once it has ended; NULL: still needed, or gone.
ALTER TABLE message ADD COLUMN stored TEXT CHECK (stored IN ('done', 'dead', 'kept'));
ALTER TABLE message ADD COLUMN gone_ms INTEGER; -- when its file was removed

UPDATE message
   SET stored = CASE WHEN EXISTS (SELECT 1 FROM delivery d WHERE d.message_id = message.id AND d.state = 'dead')
                     THEN 'dead'
                     WHEN EXISTS (SELECT 1 FROM delivery d WHERE d.message_id = message.id) THEN 'done'
                     ELSE 'kept' END
 WHERE ended_ms IS NOT NULL;

CREATE INDEX message_stored ON message (stored, ended_ms, id) WHERE stored IS NOT NULL;
CREATE INDEX message_gone ON message (ended_ms) WHERE gone_ms IS NOT NULL;

-- How much there is of each kind, kept up to date by the triggers: to count it would take longer the more there is.
CREATE TABLE store (
    stored TEXT PRIMARY KEY,
    files  INTEGER NOT NULL,
    bytes  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO store (stored, files, bytes)
SELECT kind.column1, count(m.id), coalesce(sum(m.size_bytes), 0)
  FROM (VALUES ('done'), ('dead'), ('kept')) AS kind
  LEFT JOIN message m ON m.stored = kind.column1
 GROUP BY kind.column1;

CREATE TRIGGER store_message_changed AFTER UPDATE OF stored ON message WHEN OLD.stored IS NOT NEW.stored
BEGIN
    UPDATE store SET files = files - 1, bytes = bytes - OLD.size_bytes WHERE stored = OLD.stored;
    UPDATE store SET files = files + 1, bytes = bytes + NEW.size_bytes WHERE stored = NEW.stored;
END;

CREATE TRIGGER store_message_deleted AFTER DELETE ON message WHEN OLD.stored IS NOT NULL
BEGIN
    UPDATE store SET files = files - 1, bytes = bytes - OLD.size_bytes WHERE stored = OLD.stored;
END;

-- Programs that are told of dead deliveries.
ALTER TABLE delivery ADD COLUMN on_dead_ms INTEGER; -- when one is to be run; NULL: none is, or it runs
ALTER TABLE delivery ADD COLUMN on_dead_tries INTEGER NOT NULL DEFAULT 0; -- runs since the delivery died

CREATE INDEX delivery_on_dead ON delivery (route, handler, on_dead_ms, id) WHERE on_dead_ms IS NOT NULL;

CREATE TABLE on_dead_run (
    id          INTEGER PRIMARY KEY,
    delivery_id INTEGER NOT NULL REFERENCES delivery (id) ON DELETE CASCADE,
    number      INTEGER NOT NULL,           -- from 1
    reason      TEXT NOT NULL,              -- why the delivery is dead
    started_ms  INTEGER NOT NULL,
    ended_ms    INTEGER,                    -- NULL: running
    outcome     TEXT NOT NULL CHECK (outcome IN ('running', 'done', 'retry', 'dead')), -- dead: given up
    exit_code   INTEGER,
    signal      INTEGER,
    detail      TEXT NOT NULL DEFAULT '',
    stdout      BLOB NOT NULL DEFAULT x'',  -- the last 16 KiB
    stderr      BLOB NOT NULL DEFAULT x'',
    UNIQUE (delivery_id, number)
) STRICT;

CREATE INDEX on_dead_run_running ON on_dead_run (delivery_id) WHERE outcome = 'running';

-- The content of a message, without what its way has left in the header; NULL: nobody asked for it.
ALTER TABLE message ADD COLUMN digest TEXT;

CREATE INDEX message_digest ON message (digest, received_ms) WHERE digest IS NOT NULL;
