/* mailmill inject: puts a message into the spool, as durably as the receiver would. */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/envelope.h"
#include "common/route.h"
#include "processor/command/commands.h"
#include "processor/command/inject_file.h"
#include "processor/command/naming.h"
#include "processor/command/options.h"

enum { INJECT_TO, INJECT_FROM, INJECT_OPTIONS };
static const struct option_row rows[INJECT_OPTIONS] = {
    [INJECT_TO] = {'t', "to", "ADDRESS", "whom it is for; may be given several times"},
    [INJECT_FROM] = {'f', "from", "ADDRESS", "its sender; the null sender if not given, who gets no automatic reply"},
};

/* ---- the envelope ---- */

static int read_options(struct command_call *call, struct envelope *envelope)
{
    struct options options = options_start(call, rows, INJECT_OPTIONS);
    struct err err = {0};
    int option, status = 0;

    while (status == 0 && (option = options_next(&options)) >= 0) {
        struct span typed = naming_address(options.argument);
        struct address address = {0};

        if (typed.size > 0 || option == INJECT_TO)
            status = address_parse(&address, typed, &err);
        if (status == 0 && option == INJECT_TO)
            status = envelope_add_recipient(envelope, &address, &err);
        else if (status == 0)
            envelope->sender = address;
    }
    if (status != 0)
        return options_refuse(call, "%s", err.text);
    if (option == OPTIONS_STOP)
        return options.status;
    if (envelope->recipient_count == 0)
        return options_refuse(call, "--to is missing");
    return options_no_operands(&options);
}

/* All that are refused are named, and then nothing is written: half of what was meant would be a surprise. */
static int check_recipients(struct command_call *call, const struct envelope *envelope)
{
    int status = COMMAND_GO_ON;

    for (size_t i = 0; i < envelope->recipient_count; i++) {
        const struct address *recipient = &envelope->recipients[i];
        enum route_verdict verdict = route_find(&call->config, recipient).verdict;

        if (verdict == ROUTE_FOUND || verdict == ROUTE_KEPT)
            continue;
        command_say(call, "%s has no route; see mailmill explain %s", recipient->text, recipient->text);
        status = COMMAND_NOTHING;
    }
    if (status == COMMAND_GO_ON && envelope->recipient_count > call->config.max_recipients) {
        command_say(call, "%zu recipients are more than max-recipients, %u", envelope->recipient_count,
                    call->config.max_recipients);
        status = COMMAND_NOTHING;
    }
    return status;
}

/* ---- the file ---- */

/* Root's file would be root's, where the folder does not say of which group; the processor is to read it. */
static int give_file(const struct command_call *call, int file, struct err *err)
{
    struct stat folder;

    if (geteuid() == 0 && (fstat(call->spool.tmp, &folder) != 0 || fchown(file, folder.st_uid, folder.st_gid) != 0))
        return err_system(err, "giving the file to the owner of %s/tmp", call->spool.path);
    return 0;
}

static int check_room(struct command_call *call, struct err *err)
{
    uint64_t free_bytes;

    if (call->config.reserve == 0)
        return 0;
    if (spool_free_bytes(&call->spool, &free_bytes, err) != 0)
        return -1;
    if (free_bytes >= call->config.reserve)
        return 0;
    return err_set(err, ERR_TEMPORARY, "no room in %s: %llu bytes are free, the reserve is %llu", call->spool.path,
                   (unsigned long long)free_bytes, (unsigned long long)call->config.reserve);
}

/* ---- into the spool, then into the index ---- */

/* What the file has is the message from spool_commit on. A row that can't be added is added by the processor. */
static void add_row(struct command_call *call, const struct envelope *envelope, uint64_t size_bytes)
{
    struct err err = {0};
    bool is_missing;

    if (command_open_index(call, INDEX_RECEIVER, &is_missing) == COMMAND_GO_ON && !is_missing &&
        index_add_message(&call->index, envelope, size_bytes, &err) != 0)
        command_say(call, "the message is safe in the spool, its row waits for the processor: %s", err.text);
}

static int store(struct command_call *call, const struct envelope *envelope, int file)
{
    enum inject_verdict verdict;
    struct err err = {0};
    struct stat status;

    if (give_file(call, file, &err) != 0 || inject_write(call, envelope, file, &verdict, &err) != 0)
        return command_fail(call, &err);
    if (verdict != INJECT_GOOD) {
        command_say(call, "%s; nothing was injected", inject_body_fault(verdict));
        return COMMAND_DATA;
    }
    if (fstat(file, &status) != 0) {
        err_system(&err, "%s/tmp/%s", call->spool.path, envelope->id);
        return command_fail(call, &err);
    }
    if (spool_commit(&call->spool, envelope->id, file, &err) != 0)
        return command_fail(call, &err);
    add_row(call, envelope, (uint64_t)status.st_size);
    (void)fprintf(call->out.out, "%s\n", envelope->id);
    return COMMAND_OK;
}

static int inject(struct command_call *call, struct envelope *envelope)
{
    struct err err = {0};
    int file, status = check_recipients(call, envelope);

    if (status != COMMAND_GO_ON || (status = command_open_spool(call, NULL)) != COMMAND_GO_ON)
        return status;
    if (check_room(call, &err) != 0 || inject_complete(call, envelope, &err) != 0)
        return command_fail(call, &err);
    file = spool_create(&call->spool, envelope->id, &err);
    if (file < 0)
        return command_fail(call, &err);
    status = store(call, envelope, file);
    (void)close(file);
    /* Nothing is there any more where it was committed. */
    spool_discard(&call->spool, envelope->id);
    return status;
}

int command_inject(struct command_call *call)
{
    struct envelope envelope = {0};
    int status = read_options(call, &envelope);

    if (status == COMMAND_GO_ON && (status = command_open_config(call)) == COMMAND_GO_ON)
        status = inject(call, &envelope);
    envelope_free(&envelope);
    return status;
}
