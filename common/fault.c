#include "common/fault.h"

#ifdef MAILMILL_FAULTS

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    int number;
} errors[] = {{"ENOSPC", ENOSPC}, {"EIO", EIO},       {"EMFILE", EMFILE},
              {"EDQUOT", EDQUOT}, {"EACCES", EACCES}, {"EOPNOTSUPP", EOPNOTSUPP},
              {"EAGAIN", EAGAIN}};

/* What the environment asks for at this point: the text behind the name, or NULL when it names another point. */
static const char *asked(const char *name)
{
    const char *wish = getenv("MAILMILL_FAULT");
    size_t length = strlen(name);

    if (wish == NULL || strncmp(wish, name, length) != 0)
        return NULL;
    return wish + length;
}

void fault_point(const char *name)
{
    static _Atomic unsigned long passings; /* one point is asked for in a process, so one count is enough */
    const char *rest = asked(name);
    unsigned long wanted = 1;

    if (rest == NULL || (*rest != '\0' && *rest != ':'))
        return;
    if (*rest == ':')
        wanted = strtoul(rest + 1, NULL, 10);
    if (++passings == wanted)
        (void)raise(SIGKILL);
}

bool fault_errno(const char *name)
{
    const char *rest = asked(name);

    if (rest == NULL || *rest != '=')
        return false;
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
        if (strcmp(rest + 1, errors[i].name) == 0) {
            errno = errors[i].number;
            return true;
        }
    return false;
}

#else

/* A file with nothing in it is no C file. */
typedef int fault_points_are_off;

#endif
