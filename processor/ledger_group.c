#include "processor/ledger_group.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "processor/ledger_step.h"

int ledger_newest(struct index *index, const char *route, const char *handler, int64_t now_ms, int64_t *id,
                  struct err *err)
{
    struct query query;
    int found = 0;
    int row;

    if (ledger_start_of_handler(&query, index, STATEMENT_DELIVERY_DUE_ALL, route, handler, err) != 0)
        return -1;
    query_number(&query, ":now", now_ms);
    query_number(&query, ":limit", LEDGER_GROUP_MAX);
    while ((row = query_next(&query, err)) == 1) {
        *id = query_column_number(&query, 0);
        found = 1;
    }
    return row < 0 ? -1 : found;
}

/* ---- starting ---- */

static int add_member(struct ledger_group *group, struct query *query, struct err *err)
{
    struct ledger_member *larger = reallocarray(group->members, group->count + 1, sizeof *larger);

    if (larger == NULL)
        return err_system(err, "memory for a group of deliveries");
    group->members = larger;
    larger += group->count++;
    *larger = (struct ledger_member){.id = query_column_number(query, 0),
                                     .recipient = query_column_number(query, 2),
                                     .position = query_column_number(query, 3),
                                     .attempts = query_column_number(query, 4) + 1,
                                     .attempts_before = query_column_number(query, 5),
                                     .first_ms = query_column_number(query, 6),
                                     .held_ms = query_column_number(query, 7)};
    snprintf(larger->message_id, sizeof larger->message_id, "%.*s", ID_LENGTH, query_column_text(query, 1).data);
    return 0;
}

static int find_members(struct index *index, const struct delivery *leader, int64_t now_ms,
                        struct ledger_group *group, struct err *err)
{
    struct query query;
    int row;

    if (ledger_start_of_handler(&query, index, STATEMENT_DELIVERY_OLDER, leader->route, leader->handler, err) != 0)
        return -1;
    query_text(&query, ":message_id", span_text(leader->message_id));
    query_number(&query, ":recipient", leader->recipient);
    query_number(&query, ":now", now_ms);
    query_number(&query, ":limit", LEDGER_GROUP_MAX - 1);
    while ((row = query_next(&query, err)) == 1)
        if (add_member(group, &query, err) != 0) {
            query_end(&query);
            return -1;
        }
    return row;
}

int ledger_group_start(struct index *index, struct delivery *leader, int64_t now_ms, struct ledger_group *group,
                       struct err *err)
{
    int status;

    if (index_begin(index, err) != 0)
        return -1;
    status = ledger_start_one(index, leader->id, leader->attempts + 1, now_ms, err);
    if (status == 0)
        status = find_members(index, leader, now_ms, group, err);
    for (size_t i = 0; i < group->count && status == 0; i++)
        status = ledger_start_one(index, group->members[i].id, group->members[i].attempts, now_ms, err);
    if (ledger_finish(index, status, err) != 0)
        return status == 1 ? 1 : -1;
    leader->attempts++;
    return 0;
}

void ledger_group_free(struct ledger_group *group)
{
    free(group->members);
    *group = (struct ledger_group){0};
}

/* ---- ending ---- */

static void describe(const struct ledger_member *member, const struct ledger_end *end, const char *key,
                     struct buf *detail)
{
    if (member->gives_up)
        buf_printf(detail, "given up after %" PRId64 " attempts: ", member->attempts - member->attempts_before);
    buf_printf(detail, "in one run with %s%s%s", key, end->group_detail[0] == '\0' ? "" : ": ", end->group_detail);
}

int ledger_group_end(struct index *index, const struct delivery *leader, const struct ledger_end *end, int64_t now_ms,
                     struct err *err)
{
    /* The leader's, with what is the member's own put in. */
    static struct delivery delivery;
    char key[LEDGER_KEY_SIZE];

    delivery = *leader;
    ledger_key(leader, key);
    for (size_t i = 0; i < end->group->count; i++) {
        const struct ledger_member *member = &end->group->members[i];
        struct ledger_end own = *end;
        char storage[ERR_TEXT_SIZE];
        struct buf detail = buf_over(storage, sizeof storage);

        delivery.id = member->id;
        memcpy(delivery.message_id, member->message_id, sizeof delivery.message_id);
        delivery.recipient = member->recipient;
        delivery.position = member->position;
        delivery.attempts = member->attempts;
        describe(member, end, key, &detail);
        own.state = member->gives_up ? STATE_DEAD : end->group_state;
        own.detail = storage;
        own.out = own.errors = (struct span){"", 0}; /* once, with the leader */
        if (ledger_end_one(index, &delivery, &own, now_ms, err) != 0)
            return -1;
    }
    return 0;
}
