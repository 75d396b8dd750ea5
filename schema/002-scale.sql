-- What `status`, `list` and the processor's start look at must not grow with the history.

-- How many deliveries of each handler are in each state, kept by the triggers below.
CREATE TABLE tally (
    route   TEXT NOT NULL,
    handler TEXT NOT NULL,
    state   TEXT NOT NULL,
    count   INTEGER NOT NULL,
    PRIMARY KEY (route, handler, state)
) STRICT, WITHOUT ROWID;

CREATE TABLE total (
    name  TEXT PRIMARY KEY, -- of a table
    count INTEGER NOT NULL  -- of its rows
) STRICT, WITHOUT ROWID;

INSERT INTO tally SELECT route, handler, state, count(*) FROM delivery GROUP BY route, handler, state;
INSERT INTO total SELECT 'message', count(*) FROM message;

CREATE TRIGGER delivery_added AFTER INSERT ON delivery BEGIN
    INSERT INTO tally VALUES (new.route, new.handler, new.state, 1) ON CONFLICT DO UPDATE SET count = count + 1;
END;

CREATE TRIGGER delivery_changed AFTER UPDATE OF state ON delivery WHEN new.state <> old.state BEGIN
    UPDATE tally SET count = count - 1 WHERE route = old.route AND handler = old.handler AND state = old.state;
    INSERT INTO tally VALUES (new.route, new.handler, new.state, 1) ON CONFLICT DO UPDATE SET count = count + 1;
END;

CREATE TRIGGER delivery_removed AFTER DELETE ON delivery BEGIN
    UPDATE tally SET count = count - 1 WHERE route = old.route AND handler = old.handler AND state = old.state;
END;

CREATE TRIGGER message_added AFTER INSERT ON message BEGIN
    UPDATE total SET count = count + 1 WHERE name = 'message';
END;

CREATE TRIGGER message_removed AFTER DELETE ON message BEGIN
    UPDATE total SET count = count - 1 WHERE name = 'message';
END;

-- The messages of a state, newest first; those that have waited longest; the latest of the dead; what was running.
DROP INDEX delivery_state;
CREATE INDEX delivery_state ON delivery (state, message_id);
CREATE INDEX delivery_waiting ON delivery (queued_ms) WHERE state IN ('pending', 'running', 'retry');
CREATE INDEX delivery_dead ON delivery (ended_ms) WHERE state = 'dead';
CREATE INDEX attempt_running ON attempt (delivery_id) WHERE outcome = 'running';
