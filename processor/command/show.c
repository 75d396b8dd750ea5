/* mailmill show: finds the messages; what is said of each is in show_text.c and show_json.c. */
#include "processor/command/show.h"

#include <stdio.h>
#include <unistd.h>

#include "processor/command/commands.h"
#include "processor/command/lookup.h"
#include "processor/command/options.h"

enum { SHOW_JSON, SHOW_RAW, SHOW_OPTIONS };
static const struct option_row rows[SHOW_OPTIONS] = {
    [SHOW_RAW] = {0, "raw", NULL, "print the files as they lie in the spool, and nothing else"},
    [SHOW_JSON] = {0, "json", NULL, "print a JSON array of objects"},
};

static int find_file(const struct command_call *call, const char *id, char path[static SHOW_PATH_SIZE],
                     struct err *err)
{
    const struct spool *spool = &call->spool;
    struct spool_place place;
    int found = spool_find(spool, id, &place, err);

    path[0] = '\0';
    if (found == 1)
        snprintf(path, SHOW_PATH_SIZE, "%s/%s/%s", spool->path, place.folder == spool->new ? "new" : "cur",
                 place.name);
    return found < 0 ? -1 : 0;
}

/* `json` NULL: as text, behind an empty line unless it is the first. */
static int show_one(struct command_call *call, const char *typed, struct json *json, bool is_first, struct err *err)
{
    char id[ID_SIZE], path[SHOW_PATH_SIZE];
    struct lookup_filter filter = {.id = id, .limit = 1};
    struct query message;
    int row;

    if (lookup_id(&call->index, typed, id, err) != 0 || find_file(call, id, path, err) != 0 ||
        lookup_start(&message, &call->index, &filter, err) != 0)
        return -1;
    row = query_next(&message, err);
    if (row == 1 && json == NULL && !is_first)
        (void)fputc('\n', call->out.out);
    if (row == 1)
        row = json != NULL ? show_json(json, &message, path, err) : show_text(call, &message, path, err);
    query_end(&message);
    return row;
}

/* Byte for byte, for a file or a program; what a terminal does with it is its owner's affair. */
static int show_raw(struct command_call *call, const char *typed, struct err *err)
{
    static char bytes[64 * 1024];
    char id[ID_SIZE];
    ssize_t size;
    int file;

    if (lookup_id(&call->index, typed, id, err) != 0)
        return -1;
    file = spool_open_message(&call->spool, id, err);
    if (file < 0)
        return -1;
    while ((size = read(file, bytes, sizeof bytes)) > 0)
        (void)fwrite(bytes, 1, (size_t)size, call->out.out);
    if (size < 0)
        err_system(err, "reading %s in the spool %s", id, call->spool.path);
    (void)close(file);
    return size < 0 ? -1 : 0;
}

/* All that can be shown is shown, whatever is wrong with the others. */
static int show_all(struct command_call *call, const struct options *options, struct json *json, bool raw)
{
    int status = COMMAND_OK;
    bool is_first = true;

    for (int i = 0; i < options->operand_count; i++) {
        struct err err = {0};

        if ((raw ? show_raw(call, options->operands[i], &err)
                 : show_one(call, options->operands[i], json, is_first, &err)) == 0)
            is_first = false;
        else
            status = command_fail(call, &err);
    }
    return status;
}

int command_show(struct command_call *call)
{
    struct options options = options_start(call, rows, SHOW_OPTIONS);
    struct json json = {.out = call->out.out};
    bool as_json = false, raw = false, is_missing;
    int option, status;

    while ((option = options_next(&options)) >= 0) {
        as_json |= option == SHOW_JSON;
        raw |= option == SHOW_RAW;
    }
    if (option == OPTIONS_STOP)
        return options.status;
    if (options.operand_count == 0)
        return options_refuse(call, "the ID of a message is missing");
    if (as_json && raw)
        return options_refuse(call, "--json and --raw exclude each other");
    if ((status = command_open_config(call)) != COMMAND_GO_ON ||
        (status = command_open_index(call, INDEX_READER, &is_missing)) != COMMAND_GO_ON)
        return status;
    if (is_missing) {
        command_say_no_index(call);
        return COMMAND_NOTHING;
    }
    if ((status = command_open_spool(call, NULL)) != COMMAND_GO_ON)
        return status;
    if (as_json)
        json_open(&json, NULL, '[');
    status = show_all(call, &options, as_json ? &json : NULL, raw);
    if (as_json)
        json_close(&json);
    return status;
}
