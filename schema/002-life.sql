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
