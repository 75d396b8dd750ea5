-- For people: times as ISO 8601 in UTC, one row per thing. These columns are a documented interface and stay.
-- Recreated at each schema change, so a later migration may look at its tables freely.

DROP VIEW IF EXISTS history;
CREATE VIEW history AS
SELECT strftime('%Y-%m-%dT%H:%M:%fZ', a.started_ms / 1000.0, 'unixepoch') AS time,
       m.id AS message,
       m.sender AS sender,
       r.address AS recipient,
       m.subject AS subject,
       d.route AS route,
       d.handler AS handler,
       a.number AS attempt,
       a.outcome AS outcome,
       a.exit_code AS exit_code,
       a.signal AS signal,
       (a.ended_ms - a.started_ms) / 1000.0 AS seconds,
       a.detail AS detail,
       CAST(a.stdout AS TEXT) AS stdout,
       CAST(a.stderr AS TEXT) AS stderr
  FROM attempt a
  JOIN delivery d ON d.id = a.delivery_id
  JOIN message m ON m.id = d.message_id
  JOIN recipient r ON r.message_id = d.message_id AND r.position = d.recipient;

DROP VIEW IF EXISTS pending;
CREATE VIEW pending AS
SELECT m.id AS message,
       m.sender AS sender,
       r.address AS recipient,
       m.subject AS subject,
       d.route AS route,
       d.handler AS handler,
       d.state AS state,
       d.attempts AS attempts,
       strftime('%Y-%m-%dT%H:%M:%fZ', m.received_ms / 1000.0, 'unixepoch') AS received,
       strftime('%Y-%m-%dT%H:%M:%fZ', d.due_ms / 1000.0, 'unixepoch') AS due,
       d.detail AS detail
  FROM delivery d
  JOIN message m ON m.id = d.message_id
  JOIN recipient r ON r.message_id = d.message_id AND r.position = d.recipient
 WHERE d.state IN ('pending', 'running', 'retry');

DROP VIEW IF EXISTS failures;
CREATE VIEW failures AS
SELECT strftime('%Y-%m-%dT%H:%M:%fZ', coalesce(a.ended_ms, d.queued_ms) / 1000.0, 'unixepoch') AS time,
       m.id AS message,
       m.sender AS sender,
       r.address AS recipient,
       m.subject AS subject,
       d.route AS route,
       d.handler AS handler,
       d.state AS state,
       d.attempts AS attempts,
       d.detail AS detail,
       CAST(a.stderr AS TEXT) AS stderr
  FROM delivery d
  JOIN message m ON m.id = d.message_id
  JOIN recipient r ON r.message_id = d.message_id AND r.position = d.recipient
  LEFT JOIN attempt a ON a.delivery_id = d.id AND a.number = d.attempts
 WHERE d.state IN ('retry', 'dead');

DROP VIEW IF EXISTS rejections;
CREATE VIEW rejections AS
SELECT strftime('%Y-%m-%dT%H:%M:%fZ', rejected_ms / 1000.0, 'unixepoch') AS time,
       client_address, client_helo, sender, recipient, reply
  FROM rejection;

DROP VIEW IF EXISTS handlers;
CREATE VIEW handlers AS
SELECT d.route AS route,
       d.handler AS handler,
       count(*) AS deliveries,
       sum(d.state = 'done') AS done,
       sum(d.state IN ('pending', 'running', 'retry')) AS waiting,
       sum(d.state = 'dead') AS dead,
       sum(d.attempts) AS attempts,
       strftime('%Y-%m-%dT%H:%M:%fZ', max(d.ended_ms) / 1000.0, 'unixepoch') AS last_ended
  FROM delivery d
 GROUP BY d.route, d.handler;

DROP VIEW IF EXISTS daily;
CREATE VIEW daily AS
SELECT date(m.received_ms / 1000, 'unixepoch') AS day,
       d.route AS route,
       d.handler AS handler,
       count(*) AS deliveries,
       sum(d.state = 'done') AS done,
       sum(d.state = 'dead') AS dead
  FROM delivery d
  JOIN message m ON m.id = d.message_id
 GROUP BY day, d.route, d.handler;

DROP VIEW IF EXISTS pauses;
CREATE VIEW pauses AS
SELECT route, handler, paused_by,
       strftime('%Y-%m-%dT%H:%M:%fZ', paused_ms / 1000.0, 'unixepoch') AS since,
       strftime('%Y-%m-%dT%H:%M:%fZ', until_ms / 1000.0, 'unixepoch') AS until,
       failures, reason
  FROM handler_state
 WHERE paused_by IS NOT NULL;

DROP VIEW IF EXISTS on_dead_runs;
CREATE VIEW on_dead_runs AS
SELECT strftime('%Y-%m-%dT%H:%M:%fZ', o.started_ms / 1000.0, 'unixepoch') AS time,
       m.id AS message,
       m.sender AS sender,
       r.address AS recipient,
       m.subject AS subject,
       d.route AS route,
       d.handler AS handler,
       o.reason AS reason,
       o.number AS run,
       o.outcome AS outcome,
       o.exit_code AS exit_code,
       o.signal AS signal,
       (o.ended_ms - o.started_ms) / 1000.0 AS seconds,
       o.detail AS detail,
       CAST(o.stdout AS TEXT) AS stdout,
       CAST(o.stderr AS TEXT) AS stderr
  FROM on_dead_run o
  JOIN delivery d ON d.id = o.delivery_id
  JOIN message m ON m.id = d.message_id
  JOIN recipient r ON r.message_id = d.message_id AND r.position = d.recipient;
