/*
 * save-attachments: puts the attachments of a message into a folder. The message is taken apart in a sandbox, which
 * gives no more than bytes and proposed names; the files are written here.
 */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/units.h"
#include "processor/deposit.h"
#include "processor/handlers/glob.h"
#include "processor/handlers/handler.h"
#include "processor/handlers/take.h"
#include "processor/parts_json.h"
#include "processor/scratch.h"

enum { TYPES_MAX = 100 };

enum { OPTION_TYPE, OPTION_MAX_SIZE, OPTION_COUNT };
static const struct handler_option options[OPTION_COUNT] = {
    [OPTION_TYPE] = {"type", "GLOB",
                     "save what has a content type that matches, like image/* or "
                     "application/pdf; may be given several times"},
    [OPTION_MAX_SIZE] = {"max-size", "SIZE", "save nothing larger, in bytes, or with K, M or G behind it"},
};

static const struct handler_exit exits[] = {
    {EX_OK, "done, whether there was something to save or not"},
    {EX_USAGE, "the arguments are wrong"},
    {EX_DATAERR, "the message can't be parsed"},
    {EX_IOERR, "the names could not be printed"},
    {EX_TEMPFAIL, "a file could not be written: the disk is full, a right is missing, or the like"},
    {EX_CONFIG, "there is no such folder"},
    {0, NULL},
};

static const struct handler handler = {
    .name = "save-attachments",
    .usage = "DIR [--type GLOB]... [--max-size SIZE]",
    .summary =
        "Saves the attachments of a message to the folder DIR, an absolute path, which must be there, and prints "
        "their names. Attachments are parts that are marked so, that have the name of a file, or that are no "
        "text; a message within the message is one, NAME.eml.\n\n"
        "Names are made safe: no folders, no hidden files, no control characters, at most 180 bytes. "
        "No file is overwritten: there will be a report-2.pdf beside report.pdf. One that is there with "
        "the same contents counts as saved, so a retry leaves no doubles, and no half ones.",
    .options = options,
    .option_count = OPTION_COUNT,
    .exits = exits,
    .example = "  route \"reports@example.com\" {\n"
               "      handler \"save\" {\n"
               "          run = {\"save-attachments\", \"/srv/reports\", \"--type=application/pdf\",\n"
               "                 \"--max-size=10M\"}\n"
               "          user = \"www-data\"\n"
               "      }\n"
               "  }\n",
};

struct wish {
    const char *folder;
    const char *types[TYPES_MAX]; /* globs; none: every type */
    size_t type_count;
    uint64_t max_size; /* bytes; 0: any */
};

/* ---- arguments ---- */

static int take_size(const char *text, uint64_t *size)
{
    if (units_parse_size(text, size) != 0 || *size == 0)
        return handler_refuse(&handler, "--max-size is digits and K, M or G, such as 10M, not %.100s", text);
    return EX_OK;
}

static int take_type(const char *glob, struct wish *wish)
{
    if (strpbrk(glob, "/*") == NULL)
        return handler_refuse(&handler, "--type is the like of application/pdf or image/*: %.100s matches none",
                              glob);
    if (wish->type_count == TYPES_MAX)
        return handler_refuse(&handler, "there are more than %d --type", TYPES_MAX);
    wish->types[wish->type_count++] = glob;
    return EX_OK;
}

/* HANDLER_END: all of them were read; else the exit code to end with. */
static int take_arguments(struct handler_call *call, struct wish *wish)
{
    int option, status;
    char *operand;

    do {
        while ((option = handler_next(call)) >= 0) {
            status =
                option == OPTION_TYPE ? take_type(call->argument, wish) : take_size(call->argument, &wish->max_size);
            if (status != EX_OK)
                return status;
        }
        if (option == HANDLER_STOP)
            return call->status;
        operand = handler_operand(call);
        if (operand != NULL && wish->folder != NULL)
            return handler_refuse(&handler, "unexpected argument %.100s", operand);
        if (operand != NULL)
            wish->folder = operand;
    } while (operand != NULL);
    if (wish->folder == NULL || wish->folder[0] == '\0')
        return handler_refuse(&handler, "the folder is missing");
    /* What is saved in the run's own folder is gone with it. */
    if (wish->folder[0] != '/')
        return handler_refuse(&handler, "%.100s: not an absolute path, and a handler runs in a folder of its own",
                              wish->folder);
    return HANDLER_END;
}

/* ---- the handler ---- */

static bool is_wanted(const struct wish *wish, const struct parts_record *part)
{
    if (!parts_is_attachment(part))
        return false;
    for (size_t i = 0; i < wish->type_count; i++)
        if (glob_matches(span_text(wish->types[i]), part->content_type))
            return true;
    return wish->type_count == 0;
}

static int save_part(const struct wish *wish, const struct deposit *deposit, const struct parts_record *part,
                     struct err *err)
{
    char wanted_storage[FILENAME_SIZE], name_storage[FILENAME_SIZE];
    struct buf wanted = buf_over(wanted_storage, sizeof wanted_storage);
    struct buf name = buf_over(name_storage, sizeof name_storage);
    int status;

    parts_file_name(part, &wanted);
    if (wish->max_size > 0 && part->contents.size > wish->max_size) {
        handler_say(&handler, "%s is not saved: its %zu bytes are more than --max-size", wanted.data,
                    part->contents.size);
        return 0;
    }
    status = deposit_save(deposit, buf_span(&wanted), part->contents, &name, err);
    if (status < 0)
        return -1;
    printf("%s%s\n", name.data, status == 0 ? " (was there already)" : "");
    return 0;
}

static int save_parts(const struct wish *wish, const struct deposit *deposit, struct parts *parts, struct err *err)
{
    struct parts_record record;
    int status;

    while ((status = parts_next(parts, &record, err)) == 1) {
        if (record.type == PARTS_LEFT_OUT)
            handler_say(&handler, "the message has more parts than %d, or deeper ones: those were not looked at",
                        PARTS_COUNT_MAX);
        if (is_wanted(wish, &record) && save_part(wish, deposit, &record, err) != 0)
            return -1;
    }
    return status;
}

static int save_all(const struct wish *wish, const struct deposit *deposit, struct err *err)
{
    static struct parts parts;
    int message, status;

    if (scratch_open_input(&message, err) != 0 || take_apart(message, &parts, err) != 0)
        return -1;
    status = save_parts(wish, deposit, &parts, err);
    parts_close(&parts);
    return status;
}

int main(int argc, char **argv)
{
    static struct wish wish;
    struct handler_call call = handler_start(&handler, argc, argv);
    struct deposit deposit;
    struct err err = {0};
    int status = take_arguments(&call, &wish);

    if (status != HANDLER_END)
        return status;
    if (deposit_open(&deposit, wish.folder, &err) != 0) {
        if (err.kind != ERR_PERMANENT)
            return handler_fail(&handler, &err);
        handler_say(&handler, "%s; make it, or correct the path", err.text);
        return EX_CONFIG;
    }
    status = save_all(&wish, &deposit, &err) == 0 ? EX_OK : handler_fail(&handler, &err);
    deposit_close(&deposit);
    if (fflush(stdout) != 0 && status == EX_OK) {
        handler_say(&handler, "writing standard output failed");
        status = EX_IOERR;
    }
    return status;
}
