/*
 * mailmill parse: what a message is made of. mailmill-mime takes it apart, in its sandbox; what it says of the
 * message is printed by parse_text.c and processor/parts_json.c.
 */
#include "processor/command/parse.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/program.h"
#include "processor/command/commands.h"
#include "processor/command/options.h"
#include "processor/deposit.h"
#include "processor/message.h"
#include "processor/scratch.h"

enum { PARSE_JSON, PARSE_ATTACHMENTS, PARSE_OPTIONS };
static const struct option_row rows[PARSE_OPTIONS] = {
    [PARSE_JSON] = {0, "json", NULL, "print a JSON object"},
    [PARSE_ATTACHMENTS] = {0, "attachments", "DIR",
                           "save the attachments to the folder DIR, which must be there, "
                           "under safe names, and overwrite nothing"},
};

/* ---- having it taken apart ---- */

int parse_await(struct message_helper *helper, struct message_answer *answer, struct err *err)
{
    struct pollfd readable = {.fd = helper->socket, .events = POLLIN};
    int status;

    while ((status = message_receive(helper, answer, err)) == 0)
        if (poll(&readable, 1, -1) < 0 && errno != EINTR)
            return err_system(err, "poll");
    return status == 1 ? 0 : -1;
}

/* The files are the caller's. */
static int take_apart(int message, int records, int contents, struct err *err)
{
    static struct message_answer answer;
    struct message_helper helper = {.socket = -1};
    char path[4096];
    int status = -1;

    if (program_find(MESSAGE_PARTS_PROGRAM, path, sizeof path, err) == 0 && message_start(&helper, path, err) == 0 &&
        message_ask_parts(&helper, 1, message, records, contents, err) == 0)
        status = parse_await(&helper, &answer, err);
    message_stop(&helper);
    if (status == 0 && answer.kind == MESSAGE_FAILED) {
        *err = answer.err;
        status = -1;
    }
    return status;
}

/* ---- attachments ---- */

static int save_part(const struct deposit *deposit, const struct parts_record *part, struct parts_files *files,
                     struct err *err)
{
    char storage[FILENAME_SIZE];
    struct buf wanted = buf_over(storage, sizeof storage);
    struct buf name = buf_over(files->names[part->number], FILENAME_SIZE);

    parts_file_name(part, &wanted);
    return deposit_save(deposit, buf_span(&wanted), part->contents, &name, err) < 0 ? -1 : 0;
}

static int save_attachments(const char *folder, struct parts *parts, struct parts_files *files, struct err *err)
{
    struct parts_record record;
    struct deposit deposit;
    int status;

    files->count = PARTS_COUNT_MAX + 1;
    files->names = calloc(files->count, sizeof *files->names);
    if (files->names == NULL)
        return err_system(err, "names of attachments");
    if (deposit_open(&deposit, folder, err) != 0)
        return -1;
    while ((status = parts_next(parts, &record, err)) == 1)
        if (parts_is_attachment(&record) && save_part(&deposit, &record, files, err) != 0) {
            status = -1;
            break;
        }
    deposit_close(&deposit);
    return status;
}

/* ---- the command ---- */

static int print_json(FILE *out, struct parts *parts, const struct parts_files *files, struct err *err)
{
    struct json json = {.out = out};

    json_open(&json, NULL, '{');
    if (parts_write_json(&json, parts, files, err) != 0)
        return -1;
    json_close(&json);
    return 0;
}

static int print(struct command_call *call, struct parts *parts, const char *folder, bool as_json, struct err *err)
{
    struct parts_files files = {0};
    int status = folder == NULL ? 0 : save_attachments(folder, parts, &files, err);

    parts_rewind(parts);
    if (status == 0)
        status = as_json ? print_json(call->out.out, parts, &files, err) : parse_text(call, parts, &files, err);
    free(files.names);
    return status;
}

static int parse(struct command_call *call, const char *folder, bool as_json)
{
    static struct parts parts;
    int message = -1, records = -1, contents = -1;
    struct err err = {0};
    int status;

    if (scratch_open_input(&message, &err) != 0 || scratch_open(&records, &err) != 0 ||
        scratch_open(&contents, &err) != 0)
        return command_fail(call, &err);
    if (take_apart(message, records, contents, &err) != 0) {
        status = command_fail(call, &err);
        return status == COMMAND_NOTHING ? COMMAND_DATA : status;
    }
    if (parts_open(&parts, records, contents, &err) != 0)
        return command_fail(call, &err);
    status = print(call, &parts, folder, as_json, &err) == 0 ? COMMAND_OK : command_fail(call, &err);
    parts_close(&parts);
    (void)close(contents);
    (void)close(records);
    return status;
}

int command_parse(struct command_call *call)
{
    struct options options = options_start(call, rows, PARSE_OPTIONS);
    const char *folder = NULL;
    bool as_json = false;
    int option, status;

    while ((option = options_next(&options)) >= 0) {
        if (option == PARSE_ATTACHMENTS)
            folder = options.argument;
        else
            as_json = true;
    }
    if (option == OPTIONS_STOP)
        return options.status;
    if ((status = options_no_operands(&options)) != COMMAND_GO_ON)
        return status;
    return parse(call, folder, as_json);
}
