#include "common/config_value.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/units.h"

enum {
    PATH_SIZE_MAX = 3900, /* leaves room in PATH_MAX for the names that we put behind it */
    USER_SIZE_MAX = 63,
    EXIT_CODE_MAX = 255,
};

/* What a value in a message may take of its room: the remedy must not be cut off. */
#define SHOWN "\"%.100s\""

/* ---- numbers with units -------------------------------------------------------------------------------------------
 */

int config_parse_duration(const char *text, int64_t *milliseconds)
{
    static const struct units_row units[] = {{"", 1000}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    uint64_t value = 0;

    if (units_parse(text, units, sizeof units / sizeof units[0], &value) != 0)
        return -1;
    *milliseconds = (int64_t)value;
    return 0;
}

static int parse_duration(const char *text, uint64_t *milliseconds)
{
    int64_t value;

    if (config_parse_duration(text, &value) != 0)
        return -1;
    *milliseconds = (uint64_t)value;
    return 0;
}

static int parse_endless(const char *text, uint64_t *milliseconds)
{
    if (strcmp(text, "forever") != 0)
        return parse_duration(text, milliseconds);
    *milliseconds = CONFIG_FOREVER;
    return 0;
}

static int parse_number(const char *text, uint64_t *value)
{
    unsigned long long number;

    if (span_number(span_text(text), UINT32_MAX, &number) != 0)
        return -1;
    *value = number;
    return 0;
}

/* ---- one function for each kind -----------------------------------------------------------------------------------
 */

static int replace(char **field, const char *text, size_t size, struct err *err)
{
    char *copy = strndup(text, size);

    if (copy == NULL)
        return err_system(err, "memory");
    free(*field);
    *field = copy;
    return 0;
}

static int store_hostname(const struct config_key *key, const char *text, void *field, struct err *err)
{
    (void)key;
    if (!address_domain_is_valid(span_text(text)))
        return err_set(err, ERR_PERMANENT, SHOWN " is not a domain name; write one such as mail.example.com", text);
    return replace(field, text, strlen(text), err);
}

static int check_path(const char *text, struct err *err)
{
    if (text[0] != '/')
        return err_set(err, ERR_PERMANENT, SHOWN " is not an absolute path; begin it with /", text);
    if (strlen(text) > PATH_SIZE_MAX)
        return err_set(err, ERR_PERMANENT, SHOWN "... is too long for a path; %d bytes are allowed", text,
                       (int)PATH_SIZE_MAX);
    return 0;
}

static int store_folder(const struct config_key *key, const char *text, void *field, struct err *err)
{
    size_t size = strlen(text);

    (void)key;
    if (check_path(text, err) != 0)
        return -1;
    while (size > 1 && text[size - 1] == '/')
        size--;
    return replace(field, text, size, err);
}

static int store_file(const struct config_key *key, const char *text, void *field, struct err *err)
{
    (void)key;
    if (check_path(text, err) != 0)
        return -1;
    if (text[strlen(text) - 1] == '/')
        return err_set(err, ERR_PERMANENT, SHOWN " is a folder; put the file's name behind it", text);
    return replace(field, text, strlen(text), err);
}

static int store_account(const struct config_key *key, const char *text, void *field, struct err *err)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
    size_t size = strspn(text, allowed);

    (void)key;
    if (size == 0 || size > USER_SIZE_MAX || text[size] != '\0' || text[0] == '-')
        return err_set(err, ERR_PERMANENT, SHOWN " is not a user's name; write one that getent passwd lists", text);
    return replace(field, text, size, err);
}

/* A bound out of the table, which is as right as any constant. */
static uint64_t bound(int parse(const char *, uint64_t *), const char *text)
{
    uint64_t value = 0;

    if (parse(text, &value) != 0)
        abort();
    return value;
}

static int parse_bounded(const struct config_key *key, const char *text, int parse(const char *, uint64_t *),
                         const char *form, uint64_t *value, struct err *err)
{
    if (parse(text, value) != 0)
        return err_set(err, ERR_PERMANENT, SHOWN " is not a %s; write %s", text, key->type, form);
    if (*value < bound(parse, key->least) || *value > bound(parse, key->most))
        return err_set(err, ERR_PERMANENT, SHOWN " is out of bounds; write one from %s to %s", text, key->least,
                       key->most);
    return 0;
}

static int store_size(const struct config_key *key, const char *text, void *field, struct err *err)
{
    uint64_t value = 0;

    if (parse_bounded(key, text, units_parse_size, "digits and K, M or G, such as 25M", &value, err) != 0)
        return -1;
    *(uint64_t *)field = value;
    return 0;
}

static int store_duration(const struct config_key *key, const char *text, void *field, struct err *err)
{
    bool is_endless = strcmp(key->most, "forever") == 0;
    const char *form =
        is_endless ? "digits and s, m, h or d, such as 30d, or forever" : "digits and s, m, h or d, such as 10m";
    uint64_t value = 0;

    if (parse_bounded(key, text, is_endless ? parse_endless : parse_duration, form, &value, err) != 0)
        return -1;
    *(int64_t *)field = (int64_t)value;
    return 0;
}

static int store_number(const struct config_key *key, const char *text, void *field, struct err *err)
{
    uint64_t value = 0;

    if (parse_bounded(key, text, parse_number, "digits alone", &value, err) != 0)
        return -1;
    *(unsigned *)field = (unsigned)value;
    return 0;
}

/* The place of `text` among words with one space between them; -1 when it is none of them. */
static int word_index(const char *words, const char *text)
{
    size_t size = strlen(text);

    for (int i = 0; *words != '\0'; i++) {
        size_t length = strcspn(words, " ");

        if (length == size && memcmp(words, text, size) == 0)
            return i;
        words += length;
        words += strspn(words, " ");
    }
    return -1;
}

static int store_choice(const struct config_key *key, const char *text, void *field, struct err *err)
{
    int index = word_index(key->choices, text);

    static_assert(sizeof(enum config_unknown) == sizeof(unsigned), "choices are kept as unsigned");
    if (index < 0)
        return err_set(err, ERR_PERMANENT, SHOWN " is not a choice; write one of: %s", text, key->choices);
    *(unsigned *)field = (unsigned)index;
    return 0;
}

static int store_switch(const struct config_key *key, const char *text, void *field, struct err *err)
{
    int index = word_index("false true", text);

    (void)key;
    if (index < 0)
        return err_set(err, ERR_PERMANENT, SHOWN " is neither true nor false; write one of them", text);
    *(bool *)field = index == 1;
    return 0;
}

/* ---- lists --------------------------------------------------------------------------------------------------------
 */

void config_list_free(char **list)
{
    for (size_t i = 0; list != NULL && list[i] != NULL; i++)
        free(list[i]);
    free(list);
}

/* A handler's program may be a bare name; sendmail is not one of the handlers. */
static int check_program(const struct config_key *key, const char *program, struct err *err)
{
    bool is_bare = strchr(program, '/') == NULL;

    if (program[0] == '\0')
        return err_set(err, ERR_PERMANENT, "the program is empty; write {\"PROGRAM\", \"ARGUMENT\", ...}");
    if (strlen(program) > PATH_SIZE_MAX / 2)
        return err_set(err, ERR_PERMANENT, "the program " SHOWN "... is too long for a path", program);
    if (program[0] == '/' || (is_bare && key->is_looked_up && program[0] != '.'))
        return 0;
    if (!key->is_looked_up)
        return err_set(err, ERR_PERMANENT, "the program " SHOWN " is not an absolute path; begin it with /", program);
    return err_set(err, ERR_PERMANENT,
                   "the program " SHOWN " is a relative path; begin it with /, or write a bare name "
                   "for one in the folder of handlers",
                   program);
}

char **config_list_copy(const char *const *texts, size_t count)
{
    char **list = calloc(count + 1, sizeof *list);

    for (size_t i = 0; list != NULL && i < count; i++) {
        list[i] = strdup(texts[i]);
        if (list[i] == NULL) {
            config_list_free(list);
            list = NULL;
        }
    }
    return list;
}

static int store_command(const struct config_key *key, const char *const *texts, size_t count, char ***field,
                         struct err *err)
{
    char **list;

    if (count == 0 && !key->may_be_empty)
        return err_set(err, ERR_PERMANENT, "no program is given; write {\"PROGRAM\", \"ARGUMENT\", ...}");
    if (count > 0 && check_program(key, texts[0], err) != 0)
        return -1;
    list = config_list_copy(texts, count);
    if (list == NULL)
        return err_system(err, "memory");
    config_list_free(*field);
    *field = list;
    return 0;
}

static int store_exit_codes(const char *const *texts, size_t count, uint8_t codes[EXIT_CODE_MAX + 1], struct err *err)
{
    uint8_t meanings[EXIT_CODE_MAX + 1] = {CONFIG_EXIT_DEFAULT};

    for (size_t i = 0; i < count; i++) {
        struct span text = span_text(texts[i]);
        size_t equals = span_find(text, '=');
        int meaning = equals < text.size ? word_index("done skip retry dead", texts[i] + equals + 1) : -1;
        unsigned long long code;

        if (meaning < 0 || span_number(span_slice(text, 0, equals), EXIT_CODE_MAX, &code) != 0)
            return err_set(err, ERR_PERMANENT,
                           SHOWN " is not CODE=MEANING; write a number up to 255 and done, skip, retry or dead, "
                                 "such as \"75=retry\"",
                           texts[i]);
        if (meanings[code] != CONFIG_EXIT_DEFAULT)
            return err_set(err, ERR_PERMANENT, "code %llu is there twice; keep one", code);
        meanings[code] = (uint8_t)(CONFIG_EXIT_DONE + meaning);
    }
    memcpy(codes, meanings, sizeof meanings);
    return 0;
}

static int store_networks(const char *const *texts, size_t count, struct networks *field, struct err *err)
{
    struct networks networks = {.list = calloc(count + 1, sizeof *networks.list), .count = count};

    if (networks.list == NULL)
        return err_system(err, "memory");
    for (size_t i = 0; i < count; i++)
        if (network_parse(&networks.list[i], texts[i], err) != 0) {
            free(networks.list);
            return -1;
        }
    free(field->list);
    *field = networks;
    return 0;
}

/* ---- all of them --------------------------------------------------------------------------------------------------
 */

typedef int store_one(const struct config_key *key, const char *text, void *field, struct err *err);

int config_value_store(const struct config_key *key, const char *const *texts, size_t count, void *base,
                       struct err *err)
{
    static store_one *const stores[] = {
        [CONFIG_HOSTNAME] = store_hostname,
        [CONFIG_FOLDER] = store_folder,
        [CONFIG_FILE] = store_file,
        [CONFIG_ACCOUNT] = store_account,
        [CONFIG_COMMAND] = NULL,
        [CONFIG_EXIT_CODES] = NULL,
        [CONFIG_NETWORKS] = NULL,
        [CONFIG_SIZE] = store_size,
        [CONFIG_DURATION] = store_duration,
        [CONFIG_NUMBER] = store_number,
        [CONFIG_CHOICE] = store_choice,
        [CONFIG_SWITCH] = store_switch,
        [CONFIG_SECTION] = NULL,
    };
    void *field = (char *)base + key->offset;

    static_assert(sizeof stores / sizeof stores[0] == CONFIG_KIND_COUNT, "one row for each kind");
    if (key->kind == CONFIG_COMMAND)
        return store_command(key, texts, count, field, err);
    if (key->kind == CONFIG_EXIT_CODES)
        return store_exit_codes(texts, count, field, err);
    if (key->kind == CONFIG_NETWORKS)
        return store_networks(texts, count, field, err);
    if (stores[key->kind] == NULL || count != 1)
        return err_set(err, ERR_BUG, "%zu values for a %s", count, key->type);
    return stores[key->kind](key, texts[0], field, err);
}
