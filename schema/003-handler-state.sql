-- What is known of a handler beside its deliveries: how its runs went lately, and whether it is paused.
CREATE TABLE handler_state (
    route     TEXT NOT NULL,
    handler   TEXT NOT NULL,
    failures  INTEGER NOT NULL DEFAULT 0, -- runs that failed since the last one that did not
    paused_by TEXT CHECK (paused_by IN ('failures', 'operator')), -- NULL: it is not paused
    paused_ms INTEGER,                    -- since when
    until_ms  INTEGER,                    -- by failures: when one run may show whether it works again
    pause_ms  INTEGER,                    -- by failures: how long the last pause was; the next is twice as long
    reason    TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (route, handler)
) STRICT, WITHOUT ROWID;

-- Those that wait for their time, by the age of their messages, which is the order of those IDs.
CREATE INDEX delivery_turn ON delivery (route, handler, message_id, recipient, due_ms)
 WHERE state IN ('pending', 'retry') AND due_ms IS NOT NULL;

-- The give-up time counts from the first attempt, and does not count these.
ALTER TABLE delivery ADD COLUMN held_ms INTEGER NOT NULL DEFAULT 0; -- how long pauses kept it from being tried again
