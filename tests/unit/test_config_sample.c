#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config.h"

/* Loads what must be right, and says what is wrong with it where it is not. */
static void load(struct config *config, const char *text)
{
    struct config_errors errors = {0};
    int result = config_load_text(config, "mailmill.conf.sample", text, &errors);

    for (size_t i = 0; i < errors.count; i++)
        print_error("%s\n", errors.list[i]);
    assert_int_equal(result, 0);
    assert_int_equal(errors.count, 0);
}

static char *read_sample(void)
{
    FILE *file = fopen(MAILMILL_SOURCE_DIR "/systemd/mailmill.conf.sample", "r");
    char *text = calloc(1, 65536);

    assert_non_null(file);
    assert_non_null(text);
    assert_in_range(fread(text, 1, 65535, file), 1, 65534);
    fclose(file);
    return text;
}

static void the_sample_is_right_as_it_is(void **state)
{
    char *text = read_sample();
    struct config config;

    (void)state;
    load(&config, text);
    assert_int_equal(config.route_count, 0);
    config_free(&config);
    free(text);
}

/* With each "#key" uncommented: prose has a space after its #, and so have comments within a section. */
static void the_sample_names_every_key_with_its_default(void **state)
{
    char *text = read_sample();
    struct config config;
    size_t count;
    const struct config_key *keys = config_keys(&count);

    (void)state;
    assert_int_equal(count, CONFIG_KEY_COUNT);
    for (size_t i = 0; i < count; i++) {
        const char *value = keys[i].default_text;
        char line[200];

        snprintf(line, sizeof line, "%s%s", keys[i].name, keys[i].kind == CONFIG_SECTION ? " \"" : " = ");
        if (value != NULL)
            snprintf(line, sizeof line, value[0] == '{' ? "%s = %s\n" : "%s = \"%s\"\n", keys[i].name, value);
        if (strstr(text, line) == NULL)
            print_error("the sample lacks %s\n", line);
        assert_non_null(strstr(text, line));
    }
    for (char *at = text; at != NULL; at = strchr(at + 1, '\n')) {
        char *hash = *at == '\n' ? at + 1 : at;

        if (hash[0] == '#' &&
            (hash[1] == '}' || (hash[1] >= 'a' && hash[1] <= 'z') || strncmp(hash, "#    ", 5) == 0))
            *hash = ' ';
    }
    load(&config, text);
    assert_int_equal(config.route_count, 3);
    assert_int_equal(config.handler_count, 4);
    for (size_t i = 0; i < count; i++)
        if (strcmp(keys[i].section, "") == 0)
            assert_int_not_equal(config_line(config.lines, "", keys[i].name), 0);
    config_free(&config);
    free(text);
}

static void every_key_has_its_help(void **state)
{
    size_t count;
    const struct config_key *keys = config_keys(&count);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        assert_non_null(keys[i].help);
        assert_non_null(keys[i].type);
        assert_non_null(keys[i].section);
        assert_int_equal(keys[i].least == NULL, keys[i].kind != CONFIG_SIZE && keys[i].kind != CONFIG_DURATION &&
                                                    keys[i].kind != CONFIG_NUMBER);
        assert_int_equal(keys[i].choices == NULL, keys[i].kind != CONFIG_CHOICE);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sample_is_right_as_it_is),
        cmocka_unit_test(the_sample_names_every_key_with_its_default),
        cmocka_unit_test(every_key_has_its_help),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
