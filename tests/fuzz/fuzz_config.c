/*
 * The configuration: whatever the text, it is either taken or has mistakes; what our scan lets through, libconfuse
 * takes; and nothing of one file is left for the next.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/config.h"
#include "common/route.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const struct config *config)
{
    assert(config->hostname != NULL && config->spool != NULL && config->sendmail[0] != NULL);
    for (size_t i = 0; i < config->route_count; i++) {
        const struct route_match match = route_find(config, &config->routes[i].address);

        assert(match.verdict == ROUTE_FOUND && match.route == &config->routes[i]);
    }
    for (size_t i = 0; i < config->handler_count; i++) {
        const struct config_handler *handler = config_handler(config, i);

        assert(handler->number == i && handler->program[0] == '/' && handler->arguments[0][0] != '\0');
    }
}

static void load(const char *text)
{
    static const char refused[] = "fuzz: libconfuse";
    struct config config = {0};
    struct config_errors errors = {0};
    int result = config_load_text(&config, "fuzz", text, &errors);

    assert((result == 0) == (errors.count == 0));
    for (size_t i = 0; i < errors.count; i++)
        assert(strncmp(errors.list[i], refused, sizeof refused - 1) != 0);
    if (result == 0)
        use(&config);
    config_free(&config);
    config_errors_free(&errors);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);

    if (text == NULL)
        return 0;
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    load(text);
    load("route a@example.com { handler x { run = {'/bin/true', \"${x}\"} } }");
    free(text);
    return 0;
}
