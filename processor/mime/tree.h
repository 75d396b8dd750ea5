/*
 * A message as a tree of parts, parsed by GMime, and one walk over it that knows its bounds and what is signed.
 *
 *     charset_open_all();
 *     message = tree_parse(fd, &err);
 *     is_whole = tree_walk(message, visit, context);
 *     g_object_unref(message);
 *
 * The parts' contents stay in the file: it must not change or be closed as long as the tree is used.
 */
#ifndef PROCESSOR_MIME_TREE_H
#define PROCESSOR_MIME_TREE_H

#include <gmime/gmime.h>
#include <stdbool.h>

#include "common/err.h"

enum tree_kind {
    TREE_MULTIPART,
    TREE_MESSAGE, /* a message within the message; what it holds is below it */
    TREE_LEAF,    /* a GMimePart, with contents */
};

struct tree_node {
    GMimeObject *object;
    enum tree_kind kind;
    unsigned number;  /* from 1, in the order in which the parts stand */
    unsigned depth;   /* the whole has 0 */
    bool is_signed;   /* beneath a multipart/signed or multipart/encrypted: not to be changed */
    bool is_enclosed; /* beneath a message within the message */
};

typedef void tree_visit(void *context, const struct tree_node *node);

/* From the file's beginning; its position is lost. NULL: it can't be read, or holds nothing like a message. */
GMimeMessage *tree_parse(int fd, struct err *err);

/* Each part before those that it has. False: those beyond PARTS_COUNT_MAX and PARTS_DEPTH_MAX were not visited. */
bool tree_walk(GMimeMessage *message, tree_visit *visit, void *context);

#endif
