#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "processor/command/json_column.h"

#define BYTES(literal) ((struct span){(literal), sizeof(literal) - 1})

static char *written;
static size_t written_size;

static struct json start(void)
{
    struct json json = {.out = open_memstream(&written, &written_size)};

    assert_non_null(json.out);
    return json;
}

static void assert_written(struct json *json, const char *wanted)
{
    assert_int_equal(json->depth, 0);
    assert_int_equal(fclose(json->out), 0);
    assert_string_equal(written, wanted);
    free(written);
}

static void commas_stand_between_members(void **state)
{
    struct json json = start();

    (void)state;
    json_open(&json, NULL, '{');
    json_text(&json, "a", BYTES("b"));
    json_number(&json, "n", INT64_MIN);
    json_open(&json, "list", '[');
    json_bool(&json, NULL, true);
    json_bool(&json, NULL, false);
    json_null(&json, NULL);
    json_open(&json, NULL, '{');
    json_close(&json);
    json_close(&json);
    json_time(&json, "t", 0);
    json_close(&json);
    assert_written(&json, "{\"a\":\"b\",\"n\":-9223372036854775808,\"list\":[true,false,null,{}],"
                          "\"t\":\"1970-01-01T00:00:00.000Z\"}\n");
}

static void an_array_has_a_line_for_each_member(void **state)
{
    struct json json = start();

    (void)state;
    json_open(&json, NULL, '[');
    json_close(&json);
    json_open(&json, NULL, '[');
    json_open(&json, NULL, '{');
    json_open(&json, "x", '[');
    json_number(&json, NULL, 1);
    json_number(&json, NULL, 2);
    json_close(&json);
    json_close(&json);
    json_number(&json, NULL, 3);
    json_close(&json);
    assert_written(&json, "[]\n[\n{\"x\":[1,2]},\n3\n]\n");
}

static void every_byte_may_stand_in_a_text(void **state)
{
    struct json json = start();

    (void)state;
    json_open(&json, NULL, '[');
    json_text(&json, NULL, BYTES("q\" b\\ n\n t\t z\0 e\033 d\x7F"));
    json_text(&json, NULL, BYTES("c1 \xC2\x9B rlo \u202E"));
    json_text(&json, NULL, BYTES("\u00FC\U0001F600 \xFF \xC3\" \xE4"));
    json_close(&json);
    assert_written(&json, "[\n\"q\\\" b\\\\ n\\n t\\u0009 z\\u0000 e\\u001b d\\u007f\",\n"
                          "\"c1 \\u009b rlo \\u202e\",\n"
                          "\"\u00FC\U0001F600 \uFFFD \uFFFD\\\" \uFFFD\"\n]\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commas_stand_between_members),
        cmocka_unit_test(an_array_has_a_line_for_each_member),
        cmocka_unit_test(every_byte_may_stand_in_a_text),
    };

    return cmocka_run_group_tests_name("command_json", tests, NULL, NULL);
}
