#include "processor/command/naming.h"

#include <string.h>

#include "processor/text.h"

const char *naming_route(const struct config *config, const struct config_handler *handler)
{
    return config->routes[handler->route].pattern;
}

const char *naming_kind(const struct config_handler *handler)
{
    static const char *const words[] = {
        [HANDLER_RUN] = "run", [HANDLER_FILTER] = "filter", [HANDLER_REPLY] = "reply"};

    return words[handler->kind];
}

const char *naming_user(const struct config *config, const struct config_handler *handler)
{
    return handler->user != NULL ? handler->user : config->user;
}

static bool is_plain(const char *argument)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=@%+,";

    return argument[0] != '\0' && argument[strspn(argument, plain)] == '\0';
}

void naming_arguments(FILE *out, const char *program, char *const *arguments)
{
    text_write(out, span_text(program));
    for (size_t i = 1; arguments[i] != NULL; i++) {
        struct span rest = span_text(arguments[i]);

        if (is_plain(arguments[i])) {
            (void)fprintf(out, " %s", arguments[i]);
            continue;
        }
        (void)fputs(" '", out);
        for (;;) {
            size_t quote = span_find(rest, '\'');

            text_write(out, span_slice(rest, 0, quote));
            if (quote == rest.size)
                break;
            (void)fputs("'\\''", out);
            rest = span_slice(rest, quote + 1, rest.size);
        }
        (void)fputc('\'', out);
    }
}

/* ---- the handler that was typed ---- */

static bool is_named(const struct config *config, const struct config_handler *handler, const char *typed)
{
    const char *slash = strrchr(typed, '/');

    if (strcmp(handler->name, slash == NULL ? typed : slash + 1) != 0)
        return false;
    return slash == NULL ||
           span_equal_nocase(span_text(naming_route(config, handler)), (struct span){typed, (size_t)(slash - typed)});
}

static void list_handlers(const struct config *config, const char *typed, struct buf *list)
{
    const struct config_handler *handler;

    for (size_t i = 0; (handler = config_handler(config, i)) != NULL; i++)
        if (typed == NULL || is_named(config, handler, typed))
            buf_printf(list, "%s%s/%s", list->size > 0 ? ", " : "", naming_route(config, handler), handler->name);
}

const struct config_handler *naming_find(const struct config *config, const char *typed, struct err *err)
{
    char names[ERR_TEXT_SIZE / 2];
    struct buf list = buf_over(names, sizeof names);
    const struct config_handler *handler;
    const struct config_handler *found = NULL;
    size_t count = 0;

    for (size_t i = 0; (handler = config_handler(config, i)) != NULL; i++)
        if (is_named(config, handler, typed)) {
            found = handler;
            count++;
        }
    if (count == 1)
        return found;
    list_handlers(config, count == 0 ? NULL : typed, &list);
    if (count == 0)
        err_set(err, ERR_PERMANENT, "there is no handler %.100s; there %s%s", typed,
                list.size > 0 ? "are: " : "is none", names);
    else
        err_set(err, ERR_PERMANENT, "%.100s is the name of several handlers; say which: %s", typed, names);
    return NULL;
}

struct span naming_address(const char *typed)
{
    struct span text = span_text(typed);

    if (text.size >= 2 && text.data[0] == '<' && text.data[text.size - 1] == '>')
        return span_slice(text, 1, text.size - 1);
    return text;
}
