/*
 * Any bytes as a frame that asks the launcher, which may be root, to start something: as far as the decision what
 * would be started and with which environment. Nothing of the main half's gets into a name that is not its own, and
 * what belongs to the account is always there, after it.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/frame.h"
#include "processor/environment.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void check_entries(char **entries, int count, size_t taken)
{
    size_t seen = 0;

    for (int i = 0; i < count; i++) {
        struct span entry = span_text(entries[i]);

        require(span_find(entry, '=') < entry.size);
        require(environment_is_of_message(entry) == (seen < taken));
        seen += entry.size + 1;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct environment environment;
    struct frame_reader frame = frame_read((struct span){(const char *)data, size});
    char *entries[ENVIRONMENT_COUNT + 1];
    struct span texts;
    struct err err;
    size_t taken;
    int count;

    (void)frame_number(&frame);
    (void)frame_number(&frame);
    texts = frame_text(&frame, ENVIRONMENT_SIZE);
    require(texts.size <= ENVIRONMENT_SIZE && texts.size <= size);
    if (!frame_is_whole(&frame) || environment_take(&environment, texts, &err) != 0)
        return 0;
    taken = environment.buf.size;
    require(environment.buf.overflowed || taken == texts.size);
    for (int name = ENVIRONMENT_OF_MESSAGE_END; name < ENVIRONMENT_COUNT; name++)
        environment_put(&environment, (enum environment_name)name, span_text("value"));
    if (environment.buf.overflowed)
        return 0;
    count = environment_entries(&environment, entries);
    require(count == -1 || (count >= ENVIRONMENT_COUNT - ENVIRONMENT_OF_MESSAGE_END && entries[count] == NULL));
    if (count != -1)
        check_entries(entries, count, taken);
    return 0;
}
