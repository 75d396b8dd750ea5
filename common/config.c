#include "common/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/config_read.h"
#include "common/config_scan.h"
#include "common/config_value.h"

enum { PATH_SHOWN = 200 }; /* bytes of a path in a message */

/* ---- mistakes ---- */

static void clean(char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7F)
            *text = '?';
}

int config_error(struct config_errors *errors, const char *path, unsigned line, const char *format, ...)
{
    char(*list)[ERR_TEXT_SIZE];
    struct buf text;
    va_list arguments;

    if (errors->count > CONFIG_ERRORS_MAX)
        return -1;
    list = reallocarray(errors->list, errors->count + 1, sizeof *list);
    if (list == NULL)
        return -1;
    errors->list = list;
    text = buf_over(list[errors->count], sizeof *list);
    if (line == 0 || errors->count == CONFIG_ERRORS_MAX)
        buf_printf(&text, "%.*s: ", PATH_SHOWN, path);
    else
        buf_printf(&text, "%.*s:%u: ", PATH_SHOWN, path, line);
    if (errors->count == CONFIG_ERRORS_MAX) {
        buf_put_text(&text, "there are more mistakes; mend these first");
    } else {
        va_start(arguments, format);
        vsnprintf(text.data + text.size, text.capacity - text.size, format, arguments);
        va_end(arguments);
    }
    clean(text.data);
    errors->count++;
    return -1;
}

void config_errors_free(struct config_errors *errors)
{
    free(errors->list);
    *errors = (struct config_errors){0};
}

/* The line in "FILE:LINE: ..."; 0 without one. */
static unsigned long line_in(const char *error, const char *path)
{
    size_t size = strnlen(path, PATH_SHOWN);

    return error[size] == ':' ? strtoul(error + size + 1, NULL, 10) : 0;
}

/* In the order of the file; mistakes of one line stay in the order in which they were found, and "more" is last. */
static void sort(struct config_errors *errors, size_t from, const char *path)
{
    for (size_t i = from + 1; i < errors->count && i < CONFIG_ERRORS_MAX; i++) {
        char moved[ERR_TEXT_SIZE];
        size_t to = i;

        memcpy(moved, errors->list[i], sizeof moved);
        while (to > from && line_in(errors->list[to - 1], path) > line_in(moved, path))
            to--;
        memmove(errors->list[to + 1], errors->list[to], (i - to) * sizeof *errors->list);
        memcpy(errors->list[to], moved, sizeof moved);
    }
}

/* ---- reading ---- */

/* The machine's own name, where the file gives none. Only what can stand in a greeting will do. */
static void default_hostname(struct config *config, struct config_errors *errors)
{
    char name[ADDRESS_DOMAIN_MAX + 1] = "";

    if (config->hostname != NULL || config_line(config->lines, "", "hostname") != 0)
        return;
    if (gethostname(name, sizeof name - 1) != 0 || !address_domain_is_valid(span_text(name)))
        config_error(errors, config->path, 0,
                     "hostname: this machine's own name \"%s\" is not a domain name; write hostname = \"NAME\"",
                     name);
    else
        config->hostname = strdup(name);
}

static int load(struct config *config, const char *path, struct span text, struct config_errors *errors)
{
    struct config_scan scan = {0};
    size_t before = errors->count;

    *config = (struct config){.path = strdup(path)};
    if (config->path == NULL)
        return config_error(errors, path, 0, "out of memory");
    if (config_scan(&scan, path, text, errors) == 0) {
        config_read(config, &scan, errors);
        default_hostname(config, errors);
        if (config->hostname == NULL && errors->count == before)
            config_error(errors, path, 0, "out of memory");
    }
    config_scan_free(&scan);
    if (errors->count == before)
        return 0;
    config_free(config);
    sort(errors, before, path);
    return -1;
}

int config_load_text(struct config *config, const char *path, const char *text, struct config_errors *errors)
{
    return load(config, path, span_text(text), errors);
}

/* The whole of an open file, the caller's to free; NULL with errno. */
static char *read_all(int fd, size_t size)
{
    char *text = malloc(size + 1);
    size_t used = 0;

    while (text != NULL && used < size) {
        ssize_t got = read(fd, text + used, size - used);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            /* A file that shrinks while it is read is being written: half of it must not be taken for all. */
            errno = got == 0 ? EAGAIN : errno;
            free(text);
            return NULL;
        }
        used += (size_t)got;
    }
    return text;
}

int config_load(struct config *config, const char *path, struct config_errors *errors)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat status;
    char *text = NULL;
    int result = -1;

    *config = (struct config){0};
    if (fd < 0)
        return config_error(errors, path, 0, "can't be opened: %s", strerror(errno));
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
        config_error(errors, path, 0, "is not a regular file; give the path of a configuration");
    else if (status.st_size > CONFIG_FILE_MAX)
        config_error(errors, path, 0, "is larger than %d bytes; is it a configuration?", (int)CONFIG_FILE_MAX);
    else if ((text = read_all(fd, (size_t)status.st_size)) == NULL)
        config_error(errors, path, 0, "can't be read: %s", strerror(errno));
    else
        result = load(config, path, (struct span){text, (size_t)status.st_size}, errors);
    free(text);
    close(fd);
    return result;
}

/* ---- the rest ---- */

static void free_handler(struct config_handler *handler)
{
    free(handler->name);
    config_list_free(handler->arguments);
    free(handler->program);
    free(handler->user);
    config_list_free(handler->on_dead);
    free(handler->on_dead_program);
}

void config_free(struct config *config)
{
    for (size_t i = 0; i < config->route_count; i++) {
        struct config_route *route = &config->routes[i];

        for (size_t j = 0; j < route->handler_count; j++)
            free_handler(&route->handlers[j]);
        free(route->handlers);
        free(route->pattern);
    }
    free(config->routes);
    free(config->path);
    free(config->hostname);
    free(config->spool);
    free(config->index);
    free(config->handlers);
    free(config->workdir);
    free(config->user);
    free(config->log_file);
    config_list_free(config->sendmail);
    config_list_free(config->on_dead);
    free(config->certificate);
    free(config->key);
    free(config->trusted_proxies.list);
    *config = (struct config){0};
}

const struct config_handler *config_handler(const struct config *config, size_t number)
{
    for (size_t i = 0; i < config->route_count; i++) {
        const struct config_route *route = &config->routes[i];

        /* Numbers run on from route to route. */
        if (route->handler_count > 0 && number - route->handlers[0].number < route->handler_count)
            return &route->handlers[number - route->handlers[0].number];
    }
    return NULL;
}

const struct config_handler *config_handler_named(const struct config *config, struct span route, struct span name)
{
    for (size_t i = 0; i < config->route_count; i++) {
        const struct config_route *of = &config->routes[i];

        for (size_t j = 0; j < of->handler_count && span_equal(span_text(of->pattern), route); j++)
            if (span_equal(span_text(of->handlers[j].name), name))
                return &of->handlers[j];
    }
    return NULL;
}

int64_t config_stamp(const char *path)
{
    struct stat status;

    if (stat(path, &status) != 0)
        return -1;
    return (
        int64_t)(((uint64_t)status.st_mtim.tv_sec * 1000000000 + (uint64_t)status.st_mtim.tv_nsec + status.st_ino) &
                 INT64_MAX);
}
