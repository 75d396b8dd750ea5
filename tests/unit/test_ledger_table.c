/*
 * Every transition of a chain's deliveries, from one table: what was done to them, and what they are after it. A word
 * is "handler:event"; the handlers are one, two and three.
 */
#include "tests/unit/bed.h"

#include "processor/ledger.h"
#include "processor/ledger_change.h"
#include "processor/ledger_handler.h"

static const char route[] = "chain@example.com";

struct row {
    const char *events;
    const char *states; /* of one, two and three; a star at one that is due */
};

static const struct row rows[] = {
    {"", "pending* pending pending"},
    {"one:start", "running pending pending"},
    {"one:done", "done pending* pending"},
    {"one:skip", "done skipped skipped"},
    {"one:retry", "retry* pending pending"},
    {"one:retry-skip", "retry* skipped skipped"},
    {"one:dead", "dead skipped skipped"},
    {"one:dead-continue", "dead pending* pending"},
    {"one:settled", "skipped pending* pending"},
    {"one:gone", "dead skipped skipped"},
    {"one:start one:recover", "retry* pending pending"},

    {"one:retry one:start", "running pending pending"},
    {"one:retry one:done", "done pending* pending"},
    {"one:retry one:skip", "done skipped skipped"},
    {"one:retry one:retry", "retry* pending pending"},
    {"one:retry one:dead", "dead skipped skipped"},
    {"one:retry one:dead-continue", "dead pending* pending"},
    {"one:retry-skip one:done", "done skipped skipped"},
    {"one:retry-skip one:dead", "dead skipped skipped"},
    {"one:retry one:gone", "dead skipped skipped"},

    {"one:done two:start", "done running pending"},
    {"one:done two:start two:recover", "done retry* pending"},
    {"one:done two:done", "done done pending*"},
    {"one:done two:skip", "done done skipped"},
    {"one:done two:retry", "done retry* pending"},
    {"one:done two:dead", "done dead skipped"},
    {"one:done two:dead-continue", "done dead pending*"},
    {"one:dead-continue two:dead-continue three:dead-continue", "dead dead dead"},
    {"one:dead-continue two:done three:done", "dead done done"},
    {"one:done two:done three:done", "done done done"},

    {"one:dead one:replay", "pending* skipped skipped"},
    {"one:dead one:replay one:done", "done pending* pending"},
    {"one:skip one:replay one:done", "done skipped skipped"},
    {"one:dead-continue one:replay", "pending* pending* pending"},
    {"one:dead-continue one:replay one:done", "done pending* pending"},
    {"one:done two:retry one:replay one:done", "done retry* pending"},
    {"one:done two:retry one:replay one:dead", "dead retry* skipped"},
    {"one:done two:done three:done two:replay two:dead", "done dead done"},
    {"one:done two:done three:done all:replay", "pending* pending pending"},

    /* A pause changes no state. */
    {"one:pause", "pending* pending pending"},
    {"one:retry one:pause", "retry* pending pending"},
    {"one:retry one:pause one:resume", "retry* pending pending"},
    {"one:done one:pause two:done", "done done pending*"},
};

/* How a run ends, or what is settled without one. */
static const struct ending {
    const char *name;
    bool runs;
    struct ledger_end end;
} endings[] = {
    {"done", true, {.state = STATE_DONE}},        {"skip", true, {.state = STATE_DONE, .skip_rest = true}},
    {"retry", true, {.state = STATE_RETRY}},      {"retry-skip", true, {.state = STATE_RETRY, .skip_rest = true}},
    {"dead", true, {.state = STATE_DEAD}},        {"dead-continue", true, {.state = STATE_DEAD, .go_on = true}},
    {"settled", false, {.state = STATE_SKIPPED}}, {"gone", false, {.state = STATE_DEAD}},
};

static void end(struct bed *bed, const char *handler, const struct ending *ending, int64_t now_ms)
{
    static struct delivery delivery;
    struct ledger_end how = ending->end;
    int64_t id = 0;

    how.detail = ending->name;
    how.due_ms = now_ms;
    how.out = how.errors = (struct span){"", 0};
    assert_int_equal(ledger_due(&bed->index, route, handler, now_ms, &id, &bed->err), 1);
    bed_ok(bed, ledger_load(&bed->index, id, &delivery, &bed->err));
    if (ending->runs)
        bed_ok(bed, ledger_start(&bed->index, &delivery, now_ms, &bed->err));
    bed_ok(bed, ledger_end(&bed->index, &delivery, &how, now_ms, &bed->err));
}

static void start(struct bed *bed, const char *handler, int64_t now_ms)
{
    static struct delivery delivery;
    int64_t id = 0;

    assert_int_equal(ledger_due(&bed->index, route, handler, now_ms, &id, &bed->err), 1);
    bed_ok(bed, ledger_load(&bed->index, id, &delivery, &bed->err));
    bed_ok(bed, ledger_start(&bed->index, &delivery, now_ms, &bed->err));
}

static void act(struct bed *bed, const char *handler, const char *event, int64_t now_ms)
{
    const struct ledger_change change = {.config = &bed->config,
                                         .choice = {.handler = strcmp(handler, "all") == 0 ? NULL : handler},
                                         .now_ms = now_ms};
    int queued = 0;

    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++)
        if (strcmp(event, endings[i].name) == 0) {
            end(bed, handler, &endings[i], now_ms);
            return;
        }
    if (strcmp(event, "start") == 0)
        start(bed, handler, now_ms);
    else if (strcmp(event, "recover") == 0)
        bed_ok(bed, ledger_recover(&bed->index, now_ms, &bed->err));
    else if (strcmp(event, "replay") == 0)
        bed_ok(bed, ledger_replay(&bed->index, &change, bed_id(1), &queued, &bed->err));
    else if (strcmp(event, "pause") == 0)
        assert_int_equal(ledger_pause(&bed->index, route, handler, "", now_ms, &bed->err), 1);
    else if (strcmp(event, "resume") == 0)
        assert_int_equal(ledger_resume(&bed->index, route, handler, now_ms, &bed->err), 1);
    else
        fail_msg("what is %s?", event);
}

static void run_events(struct bed *bed, const char *events)
{
    int64_t now_ms = 2000;
    char word[64];
    int used;

    for (; sscanf(events, "%63s%n", word, &used) == 1; events += used) {
        char *colon = strchr(word, ':');

        assert_non_null(colon);
        *colon = '\0';
        act(bed, word, colon + 1, now_ms);
        now_ms += 1000;
    }
}

/* A new message for each row, in an index of its own. */
static void every_transition_is_as_in_the_table(void **state)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bed *bed;
        struct envelope envelope;
        const char *states;

        assert_int_equal(bed_make(state), 0);
        bed = *state;
        envelope = bed_envelope(bed_id(1), route, NULL);
        bed_ok(bed, ledger_queue(&bed->index, &bed->config, &envelope, 100, NULL, "", 1000, &bed->err));
        envelope_free(&envelope);
        run_events(bed, rows[i].events);
        states = bed_text(bed, "SELECT group_concat(state || iif(due_ms IS NULL, '', '*'), ' ') "
                               "FROM (SELECT * FROM delivery ORDER BY position)");
        if (strcmp(states, rows[i].states) != 0)
            fail_msg("\"%s\": %s instead of %s", rows[i].events, states, rows[i].states);
        /* What has ended says when, and what has not does not; only what waits or is tried again is ever due. */
        assert_int_equal(bed_number(bed, "SELECT count(*) FROM delivery WHERE (state IN ('done', 'dead', 'skipped')) "
                                         "<> (ended_ms IS NOT NULL) OR (due_ms IS NOT NULL AND state NOT IN "
                                         "('pending', 'retry')) OR (state = 'retry' AND due_ms IS NULL)"),
                         0);
        assert_int_equal(bed_number(bed, "SELECT count(*) FROM delivery d WHERE attempts <> "
                                         "(SELECT count(*) FROM attempt WHERE delivery_id = d.id)"),
                         0);
        assert_int_equal(bed_remove(state), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_transition_is_as_in_the_table),
    };

    return cmocka_run_group_tests_name("ledger_table", tests, NULL, NULL);
}
