#include "receiver/slots.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

int slots_open(struct slots *slots, size_t size, struct err *err)
{
    *slots = (struct slots){.list = calloc(size, sizeof *slots->list), .size = size};
    return slots->list == NULL ? err_system(err, "memory for %zu sessions", size) : 0;
}

void slots_free(struct slots *slots)
{
    free(slots->list);
    *slots = (struct slots){0};
}

bool slots_are_full(const struct slots *slots)
{
    return slots->taken == slots->size;
}

bool slots_are_nearly_full(const struct slots *slots)
{
    return slots->taken * 10 >= slots->size * 9;
}

static struct slot *find_process(const struct slots *slots, pid_t process)
{
    for (size_t i = 0; i < slots->size; i++)
        if (slots->list[i].process == process)
            return &slots->list[i];
    return NULL;
}

size_t slots_count(const struct slots *slots, const struct client *client)
{
    size_t count = 0;

    for (size_t i = 0; i < slots->size; i++)
        if (slots->list[i].process != 0 && !slots->list[i].client.is_proxy &&
            memcmp(slots->list[i].client.network, client->network, CLIENT_NETWORK_SIZE) == 0)
            count++;
    return count;
}

void slots_add(struct slots *slots, pid_t process, uint64_t number, const struct client *client)
{
    struct slot *slot = find_process(slots, 0);

    assert(slot != NULL);
    *slot = (struct slot){.process = process, .number = number, .client = *client};
    slots->taken++;
}

bool slots_remove(struct slots *slots, pid_t process, struct client *client)
{
    struct slot *slot = find_process(slots, process);

    if (slot == NULL)
        return false;
    *client = slot->client;
    slot->process = 0;
    slots->taken--;
    return true;
}

pid_t slots_find(const struct slots *slots, uint64_t number)
{
    for (size_t i = 0; i < slots->size; i++)
        if (slots->list[i].process != 0 && slots->list[i].number == number)
            return slots->list[i].process;
    return 0;
}

void slots_signal(const struct slots *slots, int number)
{
    for (size_t i = 0; i < slots->size; i++)
        if (slots->list[i].process != 0)
            (void)kill(slots->list[i].process, number);
}
