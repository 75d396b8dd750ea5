-- Every statement of the programs, by name. The build makes `enum statement` of the names: STATEMENT_MESSAGE_ADD ...

-- name: begin
BEGIN IMMEDIATE;

-- name: commit
COMMIT;

-- name: step_begin
-- A step of a transaction that gathers several: undone, it leaves nothing, and the others stay.
SAVEPOINT step;

-- name: step_keep
RELEASE step;

-- name: step_undo
ROLLBACK TO step;

-- name: message_add
INSERT INTO message (id, received_ms, sender, client_address, client_helo, client_protocol, tls, size_bytes)
VALUES (:id, :received_ms, :sender, :client_address, :client_helo, :client_protocol, :tls, :size_bytes)
ON CONFLICT (id) DO NOTHING;

-- name: recipient_add
INSERT INTO recipient (message_id, position, address) VALUES (:message_id, :position, :address)
ON CONFLICT DO NOTHING;

-- name: message_is_queued
SELECT queued_ms IS NOT NULL FROM message WHERE id = :id;

-- name: message_unqueued
SELECT id FROM message WHERE queued_ms IS NULL ORDER BY id LIMIT :limit;

-- name: message_queue
UPDATE message
   SET subject = :subject, header_from = :from, header_to = :to, header_date = :date, header_reply_to = :reply_to,
       header_message_id = :message_id, header_references = :references, header_list_id = :list_id,
       no_reply = :no_reply, digest = :digest, queued_ms = :now
 WHERE id = :id AND queued_ms IS NULL;

-- name: message_set_queued
UPDATE message SET queued_ms = :now WHERE id = :id;

-- name: message_reopen
UPDATE message SET ended_ms = NULL, stored = NULL, gone_ms = NULL WHERE id = :id;

-- name: message_set_ended
-- Not one that the operator has had queued again since its deliveries were counted.
UPDATE message
   SET ended_ms = :now,
       stored = CASE WHEN gone_ms IS NOT NULL THEN NULL
                     WHEN EXISTS (SELECT 1 FROM delivery d WHERE d.message_id = message.id AND d.state = 'dead')
                     THEN 'dead'
                     WHEN EXISTS (SELECT 1 FROM delivery d WHERE d.message_id = message.id) THEN 'done'
                     ELSE 'kept' END
 WHERE id = :id
   AND NOT EXISTS (SELECT 1 FROM delivery d
                    WHERE d.message_id = message.id AND d.state IN ('pending', 'running', 'retry'));

-- name: message_unended
-- Messages that were queued, whose deliveries have all ended, and that are not marked as ended yet: the first :limit
-- behind :after.
SELECT m.id FROM message m
 WHERE m.ended_ms IS NULL AND m.queued_ms IS NOT NULL AND m.id > :after
   AND NOT EXISTS (SELECT 1 FROM delivery d
                    WHERE d.message_id = m.id AND d.state IN ('pending', 'running', 'retry'))
 ORDER BY m.id LIMIT :limit;

-- name: message_outcome
-- How many of a message's deliveries there are, have not ended, and are dead.
SELECT count(*), coalesce(sum(state IN ('pending', 'running', 'retry')), 0), coalesce(sum(state = 'dead'), 0)
  FROM delivery WHERE message_id = :id;

-- name: recipient_list
SELECT position, address FROM recipient WHERE message_id = :message_id ORDER BY position;

-- name: delivery_add
-- A delivery that was there before is queued again: that is what a replay does.
INSERT INTO delivery (message_id, recipient, route, handler, position, state, due_ms, queued_ms, replay)
VALUES (:message_id, :recipient, :route, :handler, :position, 'pending', :due_ms, :now, :replay)
ON CONFLICT (message_id, recipient, route, handler) DO UPDATE
   SET state = 'pending', position = excluded.position, due_ms = excluded.due_ms, queued_ms = excluded.queued_ms,
       ended_ms = NULL, attempts_before = attempts, replay = replay + 1, output = NULL, replied_to = NULL,
       replied_key = NULL, detail = '', held_ms = 0, on_dead_ms = NULL;

-- name: delivery_add_running
-- One that runs at once.
INSERT INTO delivery (message_id, recipient, route, handler, position, state, queued_ms, attempts)
VALUES (:message_id, :recipient, :route, :handler, 1, 'running', :now, 1)
RETURNING id;

-- name: delivery_put_ended
-- The same recipient twice has one route and one handler of a name.
INSERT INTO delivery (message_id, recipient, route, handler, position, state, queued_ms, ended_ms, detail)
VALUES (:message_id, :recipient, :route, :handler, :position, :state, :queued_ms, :ended_ms, :detail)
ON CONFLICT DO NOTHING;

-- name: delivery_original
-- The first message of the same content for the same address that has come through, or is on its way. One that failed
-- or was called off is none: whoever sends it once more wants it to run.
SELECT m.id FROM message m
  JOIN recipient r ON r.message_id = m.id
 WHERE m.digest = :digest AND m.received_ms BETWEEN :since AND :until AND m.id <> :id
   AND lower(r.address) = lower(:address)
   AND EXISTS (SELECT 1 FROM delivery d
                WHERE d.message_id = m.id AND d.recipient = r.position
                  AND d.state IN ('pending', 'running', 'retry', 'done'))
   AND NOT EXISTS (SELECT 1 FROM delivery d
                    WHERE d.message_id = m.id AND d.recipient = r.position AND d.state IN ('dead', 'cancelled'))
 ORDER BY m.received_ms LIMIT 1;

-- name: delivery_due
-- The oldest, whether it is tried for the first time or again.
SELECT id FROM delivery INDEXED BY delivery_turn
 WHERE route = :route AND handler = :handler AND state IN ('pending', 'retry') AND due_ms IS NOT NULL
   AND due_ms <= :now
 ORDER BY message_id, recipient LIMIT 1;

-- name: delivery_load
SELECT d.id, d.message_id, d.recipient, r.address, d.route, d.handler, d.position, d.attempts, d.attempts_before,
       d.queued_ms, d.replay, d.output, m.sender, m.client_address, m.client_helo, m.client_protocol, m.tls,
       m.subject, m.header_from, m.header_to, m.header_date, m.header_reply_to, m.header_message_id,
       m.header_references, m.header_list_id, m.no_reply, f.started_ms, d.held_ms
  FROM delivery d
  JOIN message m ON m.id = d.message_id
  JOIN recipient r ON r.message_id = d.message_id AND r.position = d.recipient
  LEFT JOIN attempt f ON f.delivery_id = d.id AND f.number = d.attempts_before + 1
 WHERE d.id = :id;

-- name: delivery_start
-- One that the operator has called off in the meantime stays as it is.
UPDATE delivery SET state = 'running', due_ms = NULL, attempts = attempts + 1
 WHERE id = :id AND state IN ('pending', 'retry');

-- name: delivery_end
-- One that the operator has called off before it was started stays as it is.
UPDATE delivery
   SET state = :state, due_ms = :due_ms, ended_ms = :ended_ms, output = :output, replied_to = :replied_to,
       replied_key = :replied_key, detail = :detail, on_dead_ms = :on_dead_ms, on_dead_tries = 0
 WHERE id = :id AND state IN ('pending', 'running', 'retry');

-- name: delivery_has_rest
SELECT 1 FROM delivery
 WHERE message_id = :message_id AND recipient = :recipient AND route = :route AND position > :position LIMIT 1;

-- name: delivery_revive_rest
-- The handlers after one that was dead or cancelled and is not any more, skipped for that alone: like new ones.
UPDATE delivery
   SET state = 'pending', due_ms = NULL, ended_ms = NULL, queued_ms = :now, attempts_before = attempts, held_ms = 0,
       detail = ''
 WHERE message_id = :message_id AND recipient = :recipient AND route = :route AND position > :position
   AND state = 'skipped' AND detail = :detail;

-- name: delivery_release_next
-- The handler after one that is done: due now, if it has not been for long, as when a replay comes after it.
UPDATE delivery SET due_ms = :now
 WHERE id = (SELECT d.id FROM delivery d
              WHERE d.message_id = :message_id AND d.recipient = :recipient AND d.route = :route
                AND d.position > :position AND d.state IN ('pending', 'running', 'retry')
              ORDER BY d.position LIMIT 1)
   AND state = 'pending' AND due_ms IS NULL;

-- name: delivery_skip_rest
-- The handlers after one that said "skip" or is dead.
UPDATE delivery SET state = 'skipped', ended_ms = :now, detail = :detail
 WHERE message_id = :message_id AND recipient = :recipient AND route = :route AND position > :position
   AND state = 'pending' AND due_ms IS NULL;

-- name: delivery_recover
-- What ran when the processor ended without a word is tried again.
UPDATE delivery SET state = 'retry', due_ms = :now, detail = 'interrupted: the processor ended while it ran'
 WHERE state = 'running';

-- name: delivery_set_back
-- The clock was set back: what waits is due as if it had not been.
UPDATE delivery SET due_ms = due_ms - :by WHERE state IN ('pending', 'retry') AND due_ms IS NOT NULL;

-- name: delivery_not_later
-- Likewise, while no processor ran to notice. What has not been tried yet was due when it was queued.
UPDATE delivery SET due_ms = :now WHERE state = 'pending' AND due_ms > :now;

-- name: delivery_replies_since
SELECT count(*) FROM delivery WHERE replied_key = :key AND ended_ms > :since;

-- name: delivery_output_used
-- Outputs are for handlers that are still to run.
SELECT 1 FROM delivery d JOIN message m ON m.id = d.message_id
 WHERE d.message_id = :message_id AND d.output = :output AND m.ended_ms IS NULL;

-- name: delivery_outputs
SELECT output FROM delivery WHERE message_id = :id AND output IS NOT NULL;

-- name: delivery_forget_outputs
UPDATE delivery SET output = NULL WHERE message_id = :id AND output IS NOT NULL;

-- name: delivery_filtered
-- What the last filter before a handler made of the message.
SELECT output FROM delivery
 WHERE message_id = :message_id AND recipient = :recipient AND route = :route AND position < :position
   AND state = 'done' AND output IS NOT NULL
 ORDER BY position DESC LIMIT 1;

-- name: attempt_start
INSERT INTO attempt (delivery_id, number, started_ms, outcome) VALUES (:delivery_id, :number, :now, 'running');

-- name: attempt_end
-- One that has ended stays as it is: what is settled without a further attempt is the delivery's affair.
UPDATE attempt
   SET ended_ms = :now, outcome = :outcome, exit_code = :exit_code, signal = :signal, detail = :detail,
       stdout = :stdout, stderr = :stderr
 WHERE delivery_id = :delivery_id AND number = :number AND ended_ms IS NULL;

-- name: attempt_recover
UPDATE attempt
   SET ended_ms = :now, outcome = 'retry', detail = 'interrupted: the processor ended while it ran'
 WHERE outcome = 'running';

-- ---- programs that are told of what is dead ----

-- name: on_dead_due
SELECT id FROM delivery
 WHERE route = :route AND handler = :handler AND on_dead_ms IS NOT NULL AND on_dead_ms <= :now
 ORDER BY on_dead_ms, id LIMIT 1;

-- name: on_dead_next_due
SELECT min(on_dead_ms) FROM delivery WHERE route = :route AND handler = :handler AND on_dead_ms IS NOT NULL;

-- name: on_dead_load
SELECT d.detail, d.ended_ms, d.on_dead_tries,
       1 + coalesce((SELECT max(o.number) FROM on_dead_run o WHERE o.delivery_id = d.id), 0)
  FROM delivery d WHERE d.id = :id;

-- name: on_dead_take
UPDATE delivery SET on_dead_ms = NULL, on_dead_tries = on_dead_tries + 1 WHERE id = :id AND on_dead_ms IS NOT NULL;

-- name: on_dead_start
INSERT INTO on_dead_run (delivery_id, number, reason, started_ms, outcome)
VALUES (:delivery_id, :number, :reason, :now, 'running');

-- name: on_dead_end
UPDATE on_dead_run
   SET ended_ms = :now, outcome = :outcome, exit_code = :exit_code, signal = :signal, detail = :detail,
       stdout = :stdout, stderr = :stderr
 WHERE delivery_id = :delivery_id AND number = :number AND outcome = 'running';

-- name: on_dead_again
-- Unless the operator has acted in the meantime, or it has died once more.
UPDATE delivery SET on_dead_ms = :due_ms
 WHERE id = :id AND state = 'dead' AND ended_ms = :died_ms AND on_dead_ms IS NULL;

-- name: on_dead_recover
UPDATE delivery SET on_dead_ms = :now
 WHERE state = 'dead' AND on_dead_ms IS NULL
   AND id IN (SELECT o.delivery_id FROM on_dead_run o WHERE o.outcome = 'running');

-- name: on_dead_set_back
-- As delivery_set_back, and after it delivery_not_later.
UPDATE delivery SET on_dead_ms = on_dead_ms - :by WHERE on_dead_ms IS NOT NULL;

-- name: on_dead_not_later
UPDATE delivery SET on_dead_ms = :now WHERE on_dead_tries = 0 AND on_dead_ms > :now;

-- name: on_dead_waits
-- Whether there is anything to be told of, of whatever handler.
SELECT 1 FROM delivery WHERE on_dead_ms IS NOT NULL LIMIT 1;

-- name: on_dead_recover_runs
UPDATE on_dead_run
   SET ended_ms = :now, outcome = 'retry', detail = 'interrupted: the processor ended while it ran'
 WHERE outcome = 'running';

-- ---- what is kept, and for how long ----

-- name: retention_list
-- The first :limit messages of a kind that ended no later than :before and that nobody has a use for any more.
SELECT m.id, m.size_bytes, m.ended_ms FROM message m
 WHERE m.stored = :stored AND m.ended_ms <= :before
   AND NOT EXISTS (SELECT 1 FROM delivery d
                    WHERE d.message_id = m.id
                      AND (d.state IN ('pending', 'running', 'retry') OR d.on_dead_ms IS NOT NULL
                           OR EXISTS (SELECT 1 FROM on_dead_run o
                                       WHERE o.delivery_id = d.id AND o.outcome = 'running')))
 ORDER BY m.ended_ms, m.id LIMIT :limit;

-- name: retention_may_go
-- The same of one message, asked for again when nobody else can change it.
SELECT 1 FROM message m
 WHERE m.id = :id AND m.stored = :stored
   AND NOT EXISTS (SELECT 1 FROM delivery d
                    WHERE d.message_id = m.id
                      AND (d.state IN ('pending', 'running', 'retry') OR d.on_dead_ms IS NOT NULL
                           OR EXISTS (SELECT 1 FROM on_dead_run o
                                       WHERE o.delivery_id = d.id AND o.outcome = 'running')));

-- name: retention_gone
UPDATE message SET gone_ms = :now, stored = NULL WHERE id = :id;

-- name: retention_bytes
SELECT bytes FROM store WHERE stored = :stored;

-- name: retention_forget
-- With its recipients, deliveries and attempts.
DELETE FROM message
 WHERE id IN (SELECT m.id FROM message m
               WHERE m.gone_ms IS NOT NULL AND m.ended_ms <= :before
               ORDER BY m.ended_ms LIMIT :limit);

-- name: retention_forget_rejections
DELETE FROM rejection
 WHERE id IN (SELECT r.id FROM rejection r WHERE r.rejected_ms <= :before ORDER BY r.rejected_ms LIMIT :limit);

-- name: retention_oldest_row
-- Of what could be forgotten.
SELECT min(time_ms)
  FROM (SELECT min(m.ended_ms) AS time_ms FROM message m WHERE m.gone_ms IS NOT NULL
        UNION ALL
        SELECT min(r.rejected_ms) FROM rejection r);

-- name: message_is_gone
SELECT gone_ms IS NOT NULL FROM message WHERE id = :id;

-- ---- what the operator changes ----

-- name: delivery_state
SELECT state FROM delivery
 WHERE message_id = :message_id AND recipient = :recipient AND route = :route AND handler = :handler;

-- name: delivery_running
-- Of the choices here and below, one that is NULL lets everything pass. The + keeps SQLite from going through all
-- that is in that state, of whatever message.
SELECT handler FROM delivery
 WHERE message_id = :id AND +state = 'running' AND (:handler IS NULL OR handler = :handler)
   AND (:route IS NULL OR lower(route) = lower(:route))
 LIMIT 1;

-- name: delivery_cancel
UPDATE delivery SET state = 'cancelled', due_ms = NULL, ended_ms = :now, detail = 'called off by the operator'
 WHERE message_id = :id AND +state IN ('pending', 'retry') AND (:state IS NULL OR state = :state)
   AND (:handler IS NULL OR handler = :handler) AND (:route IS NULL OR lower(route) = lower(:route));

-- name: delivery_skip_cancelled
-- The handlers after one that was cancelled, which wait for it.
UPDATE delivery AS d SET state = 'skipped', ended_ms = :now, detail = 'handler ' || c.handler || ' was cancelled'
  FROM delivery AS c
 WHERE d.message_id = :id AND +d.state = 'pending' AND d.due_ms IS NULL
   AND c.message_id = d.message_id AND c.recipient = d.recipient AND c.route = d.route AND c.position < d.position
   AND +c.state = 'cancelled' AND c.ended_ms = :now;

-- name: rejection_next
-- The ID of the next one, whatever else is or was in the table.
SELECT coalesce(max(id), 0) + 1 FROM rejection;

-- name: rejection_add
-- One that is there was brought in before a crash.
INSERT INTO rejection (id, rejected_ms, client_address, client_helo, sender, recipient, reply)
VALUES (:id, :rejected_ms, :client, :helo, :sender, :recipient, :reply)
ON CONFLICT (id) DO NOTHING;

-- name: rejection_trim
DELETE FROM rejection WHERE id <= (SELECT max(id) FROM rejection) - :keep;
-- ---- handlers: what waits for them, and their pauses ----

-- name: handler_waiting
-- Each handler for which anything waits, in one step from one to the next: when the oldest is due, when the first is,
-- and how the handler is paused.
WITH RECURSIVE oldest (id) AS (
    SELECT (SELECT id FROM delivery INDEXED BY delivery_turn
             WHERE state IN ('pending', 'retry') AND due_ms IS NOT NULL
             ORDER BY route, handler, message_id, recipient LIMIT 1)
    UNION ALL
    SELECT coalesce((SELECT n.id FROM delivery n INDEXED BY delivery_turn
                      WHERE n.state IN ('pending', 'retry') AND n.due_ms IS NOT NULL
                        AND n.route = d.route AND n.handler > d.handler
                      ORDER BY n.handler, n.message_id, n.recipient LIMIT 1),
                    (SELECT n.id FROM delivery n INDEXED BY delivery_turn
                      WHERE n.state IN ('pending', 'retry') AND n.due_ms IS NOT NULL AND n.route > d.route
                      ORDER BY n.route, n.handler, n.message_id, n.recipient LIMIT 1))
      FROM oldest o JOIN delivery d ON d.id = o.id)
SELECT d.route, d.handler, d.due_ms,
       (SELECT min(f.due_ms) FROM delivery f
         WHERE f.route = d.route AND f.handler = d.handler AND f.state IN ('pending', 'retry')
           AND f.due_ms IS NOT NULL),
       s.failures, s.paused_by, s.paused_ms, s.until_ms, s.pause_ms
  FROM oldest o
  JOIN delivery d ON d.id = o.id
  LEFT JOIN handler_state s ON s.route = d.route AND s.handler = d.handler;

-- name: handler_waits
-- The same for one handler: when the oldest is due, and when the first is.
SELECT (SELECT due_ms FROM delivery INDEXED BY delivery_turn
         WHERE route = :route AND handler = :handler AND state IN ('pending', 'retry') AND due_ms IS NOT NULL
         ORDER BY message_id, recipient LIMIT 1),
       (SELECT min(due_ms) FROM delivery
         WHERE route = :route AND handler = :handler AND state IN ('pending', 'retry') AND due_ms IS NOT NULL);

-- name: delivery_probe
-- The one that says most of whether a paused handler works again: tried least, and of these the oldest.
SELECT id FROM delivery
 WHERE route = :route AND handler = :handler AND state IN ('pending', 'retry') AND due_ms <= :now
 ORDER BY attempts - attempts_before, message_id, recipient LIMIT 1;

-- name: delivery_due_all
-- The oldest :limit that are due, oldest first. The last of them is the one that the others run with.
SELECT id FROM delivery INDEXED BY delivery_turn
 WHERE route = :route AND handler = :handler AND state IN ('pending', 'retry') AND due_ms IS NOT NULL
   AND due_ms <= :now
 ORDER BY message_id, recipient LIMIT :limit;

-- name: delivery_older
-- Those that run with one.
SELECT d.id, d.message_id, d.recipient, d.position, d.attempts, d.attempts_before, f.started_ms, d.held_ms
  FROM delivery d INDEXED BY delivery_turn
  LEFT JOIN attempt f ON f.delivery_id = d.id AND f.number = d.attempts_before + 1
 WHERE d.route = :route AND d.handler = :handler AND d.state IN ('pending', 'retry') AND d.due_ms IS NOT NULL
   AND d.due_ms <= :now AND (d.message_id, d.recipient) < (:message_id, :recipient)
 ORDER BY d.message_id, d.recipient LIMIT :limit;

-- name: delivery_overtakes
-- Whether a message older than the one of a delivery has come since a time, and is not queued yet.
SELECT 1 FROM message
 WHERE queued_ms IS NULL AND id < (SELECT message_id FROM delivery WHERE id = :id) AND received_ms > :since LIMIT 1;

-- name: handler_load
SELECT failures, paused_by, paused_ms, until_ms, pause_ms FROM handler_state
 WHERE route = :route AND handler = :handler;

-- name: handler_store
INSERT INTO handler_state (route, handler, failures, paused_by, paused_ms, until_ms, pause_ms, reason)
VALUES (:route, :handler, :failures, :paused_by, :paused_ms, :until_ms, :pause_ms, :reason)
ON CONFLICT (route, handler) DO UPDATE
   SET failures = excluded.failures, paused_by = excluded.paused_by, paused_ms = excluded.paused_ms,
       until_ms = excluded.until_ms, pause_ms = excluded.pause_ms, reason = excluded.reason;

-- name: handler_count
INSERT INTO handler_state (route, handler, failures) VALUES (:route, :handler, :failures)
ON CONFLICT (route, handler) DO UPDATE SET failures = excluded.failures;

-- name: handler_set_back
-- The clock was set back: pauses are as long as if it had not been.
UPDATE handler_state SET until_ms = until_ms - :by, paused_ms = paused_ms - :by WHERE paused_by IS NOT NULL;

-- name: handler_not_later
-- Likewise, while no processor ran to notice.
UPDATE handler_state SET until_ms = :now + pause_ms WHERE until_ms > :now + pause_ms;

-- name: handler_release
-- What waits to be tried again when a pause is over is due now, and the pause is no part of its give-up time.
UPDATE delivery
   SET due_ms = min(due_ms, :now), held_ms = held_ms + max(0, :now - max(:since, queued_ms))
 WHERE route = :route AND handler = :handler AND state IN ('pending', 'retry') AND state = 'retry'
   AND due_ms IS NOT NULL;

-- ---- the operator's command ----

-- name: command_snapshot
-- What is read until the transaction ends belongs together.
BEGIN DEFERRED;

-- name: command_messages
-- The newest :limit messages whose IDs begin with :prefix, oldest first. A message's state is that of the delivery
-- of which the operator has to know first. Of the filters, one that is NULL lets everything pass; :sender may be "@"
-- and a domain; :subject is a part of one; :state, :route and :handler are asked of one and the same delivery.
SELECT * FROM (
    SELECT * FROM (
        SELECT m.id, m.received_ms,
               coalesce((SELECT d.state FROM delivery d WHERE d.message_id = m.id
                          ORDER BY CASE d.state WHEN 'running' THEN 1 WHEN 'retry' THEN 2 WHEN 'pending' THEN 3
                                                WHEN 'dead' THEN 4 WHEN 'done' THEN 5 WHEN 'cancelled' THEN 6
                                                ELSE 7 END
                          LIMIT 1),
                        CASE WHEN m.queued_ms IS NULL THEN 'received' ELSE 'kept' END) AS state,
               m.sender, m.size_bytes, m.queued_ms, m.ended_ms, m.client_address, m.client_helo, m.client_protocol,
               m.tls, m.subject, m.header_from, m.header_to, m.header_date, m.header_reply_to, m.header_message_id,
               m.header_list_id, m.no_reply, m.gone_ms
          FROM message m
         WHERE m.id BETWEEN :prefix AND :prefix || '~' -- which sorts behind all IDs that begin so
           AND (:since IS NULL OR m.received_ms >= :since) AND (:until IS NULL OR m.received_ms < :until)
           AND (:subject IS NULL OR instr(lower(m.subject), lower(:subject)) > 0)
           AND (:sender IS NULL OR lower(m.sender) = lower(:sender)
                OR substr(:sender, 1, 1) = '@'
                   AND substr(lower(m.sender), -length(:sender)) = lower(:sender))) AS found
     WHERE :state IS NULL AND :route IS NULL AND :handler IS NULL
        OR state = :state AND state IN ('received', 'kept') AND :route IS NULL AND :handler IS NULL
        OR EXISTS (SELECT 1 FROM delivery d
                    WHERE d.message_id = found.id
                      AND (:state IS NULL OR d.state = :state)
                      AND (:route IS NULL OR lower(d.route) = lower(:route))
                      AND (:handler IS NULL OR d.handler = :handler))
     ORDER BY id DESC LIMIT :limit)
 ORDER BY id;

-- name: command_messages_in_state
-- The same where :state is one of deliveries: found by it, however rare it is among all the others. Without a sender,
-- a time or a subject to be found, too, the first :limit will do.
SELECT * FROM (
    SELECT m.id, m.received_ms,
           coalesce((SELECT d.state FROM delivery d WHERE d.message_id = m.id
                      ORDER BY CASE d.state WHEN 'running' THEN 1 WHEN 'retry' THEN 2 WHEN 'pending' THEN 3
                                            WHEN 'dead' THEN 4 WHEN 'done' THEN 5 WHEN 'cancelled' THEN 6
                                            ELSE 7 END
                      LIMIT 1),
                    CASE WHEN m.queued_ms IS NULL THEN 'received' ELSE 'kept' END) AS state,
           m.sender, m.size_bytes, m.queued_ms, m.ended_ms, m.client_address, m.client_helo, m.client_protocol,
           m.tls, m.subject, m.header_from, m.header_to, m.header_date, m.header_reply_to, m.header_message_id,
           m.header_list_id, m.no_reply, m.gone_ms
      FROM (SELECT DISTINCT d.message_id AS id FROM delivery d
             WHERE d.state = :state AND d.message_id BETWEEN :prefix AND :prefix || '~'
               AND (:route IS NULL OR lower(d.route) = lower(:route))
               AND (:handler IS NULL OR d.handler = :handler)
             ORDER BY d.message_id DESC
             LIMIT iif(:sender IS NULL AND :since IS NULL AND :until IS NULL AND :subject IS NULL, :limit,
                       -1)) AS found
      CROSS JOIN message m ON m.id = found.id
     WHERE (:since IS NULL OR m.received_ms >= :since) AND (:until IS NULL OR m.received_ms < :until)
       AND (:subject IS NULL OR instr(lower(m.subject), lower(:subject)) > 0)
       AND (:sender IS NULL OR lower(m.sender) = lower(:sender)
            OR substr(:sender, 1, 1) = '@' AND substr(lower(m.sender), -length(:sender)) = lower(:sender))
     ORDER BY found.id DESC LIMIT :limit)
 ORDER BY id;

-- name: command_neighbours
-- The IDs before and behind one, of all messages: what sets its beginning apart from every other.
SELECT (SELECT max(id) FROM message WHERE id < :id), (SELECT min(id) FROM message WHERE id > :id);

-- name: command_choose
-- IDs of the first :limit messages behind :after that have such a delivery. The choices are those of
-- command_messages; with :waiting, only those are looked at that can still be called off, or run.
SELECT m.id FROM message m
 WHERE m.id > :after AND m.queued_ms IS NOT NULL AND (:waiting IS NULL OR m.ended_ms IS NULL)
   AND (:since IS NULL OR m.received_ms >= :since) AND (:until IS NULL OR m.received_ms < :until)
   AND (:subject IS NULL OR instr(lower(m.subject), lower(:subject)) > 0)
   AND (:sender IS NULL OR lower(m.sender) = lower(:sender)
        OR substr(:sender, 1, 1) = '@' AND substr(lower(m.sender), -length(:sender)) = lower(:sender))
   AND EXISTS (SELECT 1 FROM delivery d
                WHERE d.message_id = m.id
                  AND (:waiting IS NULL OR d.state IN ('pending', 'running', 'retry'))
                  AND (:state IS NULL OR d.state = :state)
                  AND (:route IS NULL OR lower(d.route) = lower(:route))
                  AND (:handler IS NULL OR d.handler = :handler))
 ORDER BY m.id LIMIT :limit;

-- name: command_deliveries
SELECT d.id, r.address, d.route, d.handler, d.state, d.due_ms, d.queued_ms, d.ended_ms, d.attempts, d.replay,
       d.replied_to, d.detail
  FROM delivery d
  JOIN recipient r ON r.message_id = d.message_id AND r.position = d.recipient
 WHERE d.message_id = :message_id
 ORDER BY d.recipient, d.position, d.id;

-- name: command_attempts
SELECT number, started_ms, ended_ms, outcome, exit_code, signal, detail, stdout, stderr
  FROM attempt WHERE delivery_id = :delivery_id ORDER BY number;

-- name: command_on_dead_runs
-- In the order of command_attempts.
SELECT number, started_ms, ended_ms, outcome, exit_code, signal, detail, stdout, stderr
  FROM on_dead_run WHERE delivery_id = :delivery_id ORDER BY number;

-- name: command_message_counts
-- All, those that the processor has not taken in, and those that have not ended.
SELECT count, (SELECT count(*) FROM message WHERE queued_ms IS NULL),
       (SELECT count(*) FROM message WHERE ended_ms IS NULL)
  FROM total WHERE name = 'message';

-- name: command_stretch
-- The first and the last of all messages.
SELECT (SELECT min(id) FROM message), (SELECT max(id) FROM message);

-- name: command_old
-- How many files and rows are old enough to go.
SELECT (SELECT count(*) FROM message WHERE stored = 'done' AND ended_ms <= :done_before)
     + (SELECT count(*) FROM message WHERE stored = 'dead' AND ended_ms <= :dead_before)
     + (SELECT count(*) FROM message WHERE gone_ms IS NOT NULL AND ended_ms <= :history_before);

-- name: command_handler_counts
-- The states in the order of common/state.h, and when the next delivery is due.
SELECT route, handler, sum(iif(state = 'pending', count, 0)), sum(iif(state = 'running', count, 0)),
       sum(iif(state = 'retry', count, 0)), sum(iif(state = 'done', count, 0)), sum(iif(state = 'dead', count, 0)),
       sum(iif(state = 'skipped', count, 0)), sum(iif(state = 'cancelled', count, 0)),
       (SELECT min(due_ms) FROM delivery d
         WHERE d.route = tally.route AND d.handler = tally.handler AND d.state IN ('pending', 'retry')
           AND d.due_ms IS NOT NULL)
  FROM tally GROUP BY route, handler ORDER BY route, handler;

-- name: command_pauses
SELECT route, handler, failures, paused_by, paused_ms, until_ms, reason, pause_ms FROM handler_state
 WHERE paused_by IS NOT NULL ORDER BY route, handler;

-- name: command_oldest_waiting
SELECT id, since_ms FROM (
    SELECT * FROM (SELECT id, received_ms AS since_ms FROM message WHERE queued_ms IS NULL ORDER BY id LIMIT 1)
    UNION ALL
    SELECT * FROM (SELECT message_id, queued_ms FROM delivery INDEXED BY delivery_waiting
                    WHERE state IN ('pending', 'running', 'retry') ORDER BY queued_ms LIMIT 1))
 ORDER BY since_ms, id LIMIT 1;

-- name: command_last_failures
-- Deliveries whose last attempt failed, the latest :limit of them, oldest first.
SELECT * FROM (
    SELECT * FROM (
        SELECT coalesce(a.ended_ms, d.queued_ms) AS time_ms, d.message_id, d.route, d.handler, d.state, d.attempts,
               d.detail, d.id
          FROM delivery d
          LEFT JOIN attempt a ON a.delivery_id = d.id AND a.number = d.attempts
         WHERE d.state = 'retry'
         ORDER BY time_ms DESC LIMIT :limit)
    UNION ALL
    SELECT * FROM (
        SELECT ended_ms, message_id, route, handler, state, attempts, detail, id
          FROM delivery INDEXED BY delivery_dead WHERE state = 'dead'
         ORDER BY ended_ms DESC LIMIT :limit)
     ORDER BY time_ms DESC, id DESC LIMIT :limit)
 ORDER BY time_ms, id;

-- name: command_rejections
-- The latest :limit of them, oldest first. :address is a sender's or a recipient's, or "@" and a domain.
SELECT * FROM (
    SELECT rejected_ms, client_address, client_helo, sender, recipient, reply, id FROM rejection
     WHERE rejected_ms >= :since
       AND (:client IS NULL OR client_address = :client)
       AND (:address IS NULL OR lower(:address) IN (lower(sender), lower(recipient))
            OR substr(:address, 1, 1) = '@'
               AND lower(:address) IN (substr(lower(sender), -length(:address)),
                                       substr(lower(recipient), -length(:address))))
     ORDER BY rejected_ms DESC, id DESC LIMIT :limit)
 ORDER BY rejected_ms, id;

-- name: command_rejection_last
SELECT coalesce(max(id), 0) FROM rejection;

-- name: command_accepted
-- How many of the latest :most messages from :after on are of that client, or from or to that address; and how many
-- there are.
SELECT coalesce(sum((:client IS NULL OR client_address = :client)
                    AND (:address IS NULL OR lower(sender) = lower(:address)
                         OR substr(:address, 1, 1) = '@'
                            AND substr(lower(sender), -length(:address)) = lower(:address)
                         OR EXISTS (SELECT 1 FROM recipient r
                                     WHERE r.message_id = found.id
                                       AND (lower(r.address) = lower(:address)
                                            OR substr(:address, 1, 1) = '@'
                                               AND substr(lower(r.address), -length(:address)) = lower(:address))))),
                0), count(*)
  FROM (SELECT id, sender, client_address FROM message WHERE id >= :after ORDER BY id DESC LIMIT :most) AS found;

-- name: metrics_received
SELECT count FROM total WHERE name = 'received';

-- name: metrics_refused
SELECT reason, count FROM refusal ORDER BY reason;

-- name: metrics_deliveries
SELECT route, handler, state, count FROM tally ORDER BY route, handler, state;

-- name: metrics_attempts
SELECT route, handler, outcome, sum(count) FROM run_time GROUP BY route, handler, outcome;

-- name: metrics_times
-- How many took no longer than each bound, and what all took.
SELECT found.route, found.handler, b.bound_ms,
       (SELECT coalesce(sum(r.count), 0) FROM run_time r
         WHERE r.route = found.route AND r.handler = found.handler AND r.bound_ms <= b.bound_ms),
       (SELECT sum(r.total_ms) FROM run_time r WHERE r.route = found.route AND r.handler = found.handler)
  FROM (SELECT DISTINCT route, handler FROM run_time) AS found
  CROSS JOIN bucket b
 ORDER BY found.route, found.handler, b.bound_ms;

-- name: metrics_store
SELECT 'waiting', count(*), coalesce(sum(size_bytes), 0) FROM message WHERE ended_ms IS NULL
UNION ALL
SELECT stored, files, bytes FROM store;

-- name: tail_last
SELECT coalesce(max(id), 0) FROM attempt;

-- name: tail_attempts
-- Those with IDs from :first to :last, also such as have not ended.
SELECT a.id, a.started_ms, a.ended_ms, m.id, m.sender, r.address, m.subject, d.route, d.handler, a.number, a.outcome,
       a.exit_code, a.signal, a.detail
  FROM attempt a
  CROSS JOIN delivery d ON d.id = a.delivery_id
  JOIN message m ON m.id = d.message_id
  JOIN recipient r ON r.message_id = d.message_id AND r.position = d.recipient
 WHERE a.id BETWEEN :first AND :last
 ORDER BY a.id;

-- name: command_store
-- What has ended and is kept.
SELECT sum(files), sum(bytes) FROM store;

-- name: command_waiting_bytes
SELECT coalesce(sum(size_bytes), 0) FROM message WHERE ended_ms IS NULL;
