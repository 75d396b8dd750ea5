-- What `mailmill metrics` counts: these only go up, whatever is forgotten of the history.

INSERT INTO total SELECT 'received', count(*) FROM message;

CREATE TRIGGER message_received AFTER INSERT ON message BEGIN
    UPDATE total SET count = count + 1 WHERE name = 'received';
END;

-- Rejections by the code and the status of their replies.
CREATE TABLE refusal (
    reason TEXT PRIMARY KEY, -- '550 5.1.1', '421', or 'other'
    count  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER rejection_counted AFTER INSERT ON rejection BEGIN
    INSERT INTO refusal
    VALUES (CASE WHEN new.reply GLOB '[45][0-9][0-9] [45].[0-9].[0-9] *' THEN substr(new.reply, 1, 9)
                 WHEN new.reply GLOB '[45][0-9][0-9] *' THEN substr(new.reply, 1, 3)
                 ELSE 'other' END, 1)
    ON CONFLICT DO UPDATE SET count = count + 1;
END;

INSERT INTO refusal
SELECT CASE WHEN reply GLOB '[45][0-9][0-9] [45].[0-9].[0-9] *' THEN substr(reply, 1, 9)
            WHEN reply GLOB '[45][0-9][0-9] *' THEN substr(reply, 1, 3)
            ELSE 'other' END AS reason, count(*)
  FROM rejection GROUP BY reason;

-- The bounds of the buckets that attempts are counted in by what they took.
CREATE TABLE bucket (
    bound_ms INTEGER PRIMARY KEY
) STRICT;

INSERT INTO bucket
VALUES (10), (50), (100), (500), (1000), (5000), (10000), (60000), (300000), (600000), (3600000),
       (9223372036854775807); -- without one

-- Attempts that have ended: those of a row took no longer than its bound, and longer than the one before it.
CREATE TABLE run_time (
    route    TEXT NOT NULL,
    handler  TEXT NOT NULL,
    outcome  TEXT NOT NULL,
    bound_ms INTEGER NOT NULL,
    count    INTEGER NOT NULL,
    total_ms INTEGER NOT NULL,
    PRIMARY KEY (route, handler, bound_ms, outcome)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER attempt_ended AFTER UPDATE OF ended_ms ON attempt
WHEN old.ended_ms IS NULL AND new.ended_ms IS NOT NULL BEGIN
    INSERT INTO run_time
    SELECT d.route, d.handler, new.outcome,
           (SELECT min(bound_ms) FROM bucket WHERE bound_ms >= new.ended_ms - new.started_ms), 1,
           max(new.ended_ms - new.started_ms, 0)
      FROM delivery d WHERE d.id = new.delivery_id
    ON CONFLICT DO UPDATE SET count = count + 1, total_ms = total_ms + excluded.total_ms;
END;

INSERT INTO run_time
SELECT d.route, d.handler, a.outcome,
       (SELECT min(b.bound_ms) FROM bucket b WHERE b.bound_ms >= a.ended_ms - a.started_ms) AS bound, count(*),
       sum(max(a.ended_ms - a.started_ms, 0))
  FROM attempt a
  JOIN delivery d ON d.id = a.delivery_id
 WHERE a.ended_ms IS NOT NULL
 GROUP BY d.route, d.handler, a.outcome, bound;
