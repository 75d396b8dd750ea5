#include "processor/mime/tree.h"

#include <unistd.h>

#include "processor/mime/decode.h"
#include "processor/parts.h"

struct walk {
    tree_visit *visit;
    void *context;
    unsigned count;
    bool is_whole;
};

GMimeMessage *tree_parse(int fd, struct err *err)
{
    GMimeParserOptions *options = decode_options();
    GMimeMessage *message = NULL;
    GMimeStream *stream;
    GMimeParser *parser;

    if (lseek(fd, 0, SEEK_SET) != 0) {
        err_system(err, "reading a message");
        g_mime_parser_options_free(options);
        return NULL;
    }
    stream = g_mime_stream_fs_new(fd);
    g_mime_stream_fs_set_owner(GMIME_STREAM_FS(stream), FALSE);
    parser = g_mime_parser_new_with_stream(stream);
    message = g_mime_parser_construct_message(parser, options);
    if (message == NULL)
        err_set(err, ERR_PERMANENT, "it is no message: it has no header");
    g_object_unref(parser);
    g_object_unref(stream);
    g_mime_parser_options_free(options);
    return message;
}

static bool protects(GMimeObject *object)
{
    return GMIME_IS_MULTIPART_SIGNED(object) || GMIME_IS_MULTIPART_ENCRYPTED(object);
}

static void walk_node(struct walk *walk, struct tree_node node);

static void walk_children(struct walk *walk, const struct tree_node *node)
{
    struct tree_node child = *node;
    GMimeMessage *message;

    child.depth++;
    if (node->kind == TREE_MESSAGE) {
        message = g_mime_message_part_get_message(GMIME_MESSAGE_PART(node->object));
        child.is_enclosed = true;
        child.object = message == NULL ? NULL : g_mime_message_get_mime_part(message);
        walk_node(walk, child);
        return;
    }
    child.is_signed = node->is_signed || protects(node->object);
    for (int i = 0; i < g_mime_multipart_get_count(GMIME_MULTIPART(node->object)) && walk->count < PARTS_COUNT_MAX;
         i++) {
        child.object = g_mime_multipart_get_part(GMIME_MULTIPART(node->object), i);
        walk_node(walk, child);
    }
}

/* As deep as PARTS_DEPTH_MAX, whatever the sender wrote. */
static void walk_node(struct walk *walk, struct tree_node node)
{
    if (node.object == NULL)
        return;
    if (walk->count == PARTS_COUNT_MAX || node.depth > PARTS_DEPTH_MAX) {
        walk->is_whole = false;
        return;
    }
    node.number = ++walk->count;
    node.kind = GMIME_IS_MULTIPART(node.object)      ? TREE_MULTIPART
                : GMIME_IS_MESSAGE_PART(node.object) ? TREE_MESSAGE
                                                     : TREE_LEAF;
    if (node.kind == TREE_LEAF && !GMIME_IS_PART(node.object))
        return;
    walk->visit(walk->context, &node);
    if (node.kind != TREE_LEAF)
        walk_children(walk, &node);
}

bool tree_walk(GMimeMessage *message, tree_visit *visit, void *context)
{
    struct walk walk = {.visit = visit, .context = context, .is_whole = true};

    walk_node(&walk, (struct tree_node){.object = g_mime_message_get_mime_part(message)});
    return walk.is_whole && walk.count < PARTS_COUNT_MAX;
}
