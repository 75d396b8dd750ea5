#include "receiver/slots.h"

#include <assert.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

int slots_open(struct slots *slots, size_t size, struct err *err)
{
    size_t bytes = size * sizeof *slots->list;
    void *list = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    *slots = (struct slots){0};
    if (list == MAP_FAILED)
        return err_system(err, "memory for %zu sessions", size);
    *slots = (struct slots){.list = list, .size = size};
    /* No session has it: it need not know of other clients, and a page that it shares is copied at the next change.
     */
    if (madvise(list, bytes, MADV_DONTFORK) == 0)
        return 0;
    err_system(err, "keeping %zu sessions apart", size);
    slots_free(slots);
    return -1;
}

void slots_free(struct slots *slots)
{
    if (slots->list != NULL)
        (void)munmap(slots->list, slots->size * sizeof *slots->list);
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
    for (size_t i = 0; i < slots->reach; i++)
        if (slots->list[i].process == process)
            return &slots->list[i];
    return NULL;
}

size_t slots_count(const struct slots *slots, const struct client *client)
{
    size_t count = 0;

    for (size_t i = 0; i < slots->reach; i++)
        if (slots->list[i].process != 0 && !slots->list[i].client.is_proxy &&
            memcmp(slots->list[i].client.network, client->network, CLIENT_NETWORK_SIZE) == 0)
            count++;
    return count;
}

void slots_add(struct slots *slots, pid_t process, uint64_t number, const struct client *client)
{
    struct slot *slot = find_process(slots, 0);

    if (slot == NULL) {
        assert(slots->reach < slots->size);
        slot = &slots->list[slots->reach++];
    }
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
    for (size_t i = 0; i < slots->reach; i++)
        if (slots->list[i].process != 0 && slots->list[i].number == number)
            return slots->list[i].process;
    return 0;
}

void slots_signal(const struct slots *slots, int number)
{
    for (size_t i = 0; i < slots->reach; i++)
        if (slots->list[i].process != 0)
            (void)kill(slots->list[i].process, number);
}
