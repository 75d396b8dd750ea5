#include "processor/mime/compose.h"

#include <errno.h>
#include <gmime/gmime.h>
#include <string.h>
#include <unistd.h>

#include "common/address.h"
#include "common/buf.h"

/* ---- the fields ---- */

/* The last line of defence against header injection; nothing that got this far should have any. */
static int check_field(const char *name, const char *text, struct err *err)
{
    for (const char *at = text; *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            return err_set(err, ERR_PERMANENT, "a reply's %s has a control character", name);
    if (!span_is_utf8(span_text(text)))
        return err_set(err, ERR_PERMANENT, "a reply's %s is not UTF-8", name);
    return 0;
}

static int check_fields(const struct message_reply *reply, struct err *err)
{
    const struct {
        const char *name;
        const char *text;
    } fields[] = {
        {"From", reply->from},
        {"To", reply->to},
        {"Subject", reply->subject},
        {"In-Reply-To", reply->in_reply_to},
        {"References", reply->references},
        {"Date", reply->date},
        {"Message-ID", reply->message_id},
    };

    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if (check_field(fields[i].name, fields[i].text, err) != 0)
            return -1;
    return 0;
}

/* A message ID without its brackets that can stand in a header as it is: left@right of printable ASCII. */
static bool is_plain_id(struct span id)
{
    for (size_t i = 0; i < id.size; i++)
        if (id.data[i] <= ' ' || id.data[i] >= 0x7f || id.data[i] == '<' || id.data[i] == '>')
            return false;
    return id.size <= COMPOSE_ID_MAX && span_find(id, '@') < id.size;
}

/*
 * The plain message IDs in a header's text, with their brackets; what else stands there is passed over. (GMime's own
 * reader gives up at the first that is broken.) To be freed with g_ptr_array_unref().
 */
static GPtrArray *plain_ids(const char *text)
{
    GPtrArray *ids = g_ptr_array_new_with_free_func(g_free);

    while ((text = strchr(text, '<')) != NULL) {
        struct span id = {text + 1, strcspn(text + 1, "<>")};

        if (id.data[id.size] == '>' && is_plain_id(id))
            g_ptr_array_add(ids, g_strndup(text, id.size + 2));
        text = id.data + id.size;
    }
    return ids;
}

/* RFC 5322, section 3.6.4: the parent's References and then the parent itself; with too many, the middle is left out.
 */
static void set_thread(GMimeObject *message, const struct message_reply *reply)
{
    GPtrArray *parent = plain_ids(reply->in_reply_to);
    GPtrArray *ids = plain_ids(reply->references);
    char *text;

    if (parent->len > 0) {
        g_mime_object_set_header(message, "In-Reply-To", parent->pdata[0], NULL);
        g_ptr_array_add(ids, g_strdup(parent->pdata[0]));
    }
    if (ids->len > COMPOSE_REFERENCES_MAX)
        g_ptr_array_remove_range(ids, 1, ids->len - COMPOSE_REFERENCES_MAX);
    if (ids->len > 0) {
        g_ptr_array_add(ids, NULL); /* what ends the list for g_strjoinv() */
        text = g_strjoinv(" ", (char **)ids->pdata);
        g_mime_object_set_header(message, "References", text, NULL);
        g_free(text);
    }
    g_ptr_array_unref(ids);
    g_ptr_array_unref(parent);
}

static void set_subject(GMimeMessage *message, const char *answered)
{
    char *subject;

    if (answered[0] == '\0')
        subject = g_strdup("Re: your message");
    else
        subject = g_strconcat(g_ascii_strncasecmp(answered, "Re:", 3) == 0 ? "" : "Re: ", answered, NULL);
    g_mime_message_set_subject(message, subject, "utf-8");
    g_free(subject);
}

/* Exactly one bare address is the only thing that may stand in From and To. */
static int add_address(GMimeMessage *message, GMimeAddressType type, const char *name, const char *address,
                       struct err *err)
{
    struct address parsed;

    if (address_parse(&parsed, span_text(address), err) != 0 || address_domain(&parsed).size == 0)
        return err_set(err, ERR_PERMANENT, "a reply's %s, \"%s\", is no address", name, address);
    g_mime_message_add_mailbox(message, type, NULL, parsed.text);
    return 0;
}

static int set_headers(GMimeMessage *message, const struct message_reply *reply, struct err *err)
{
    GMimeObject *object = GMIME_OBJECT(message);
    struct span id = span_text(reply->message_id);

    if (id.size < 2 || id.data[0] != '<' || id.data[id.size - 1] != '>' ||
        !is_plain_id(span_slice(id, 1, id.size - 1)))
        return err_set(err, ERR_PERMANENT, "a reply's Message-ID, \"%s\", is none", reply->message_id);
    if (add_address(message, GMIME_ADDRESS_TYPE_FROM, "From", reply->from, err) != 0 ||
        add_address(message, GMIME_ADDRESS_TYPE_TO, "To", reply->to, err) != 0)
        return -1;
    set_subject(message, reply->subject);
    g_mime_object_set_header(object, "Date", reply->date, NULL);
    g_mime_object_set_header(object, "Message-ID", reply->message_id, NULL);
    set_thread(object, reply);
    g_mime_object_set_header(object, "Auto-Submitted", "auto-replied", NULL);
    return 0;
}

/* ---- the body ---- */

/* The character at `text`, or U+FFFD, and its size in bytes there. */
static gunichar next_character(const char *text, size_t size, size_t *bytes)
{
    gunichar character = g_utf8_get_char_validated(text, (gssize)size);
    bool is_valid = character != (gunichar)-1 && character != (gunichar)-2 && text[0] != '\0';

    *bytes = is_valid ? (size_t)g_unichar_to_utf8(character, NULL) : 1;
    return is_valid ? character : 0xfffd;
}

static GByteArray *clean_body(const char *text, size_t size)
{
    GByteArray *clean = g_byte_array_new();
    size_t bytes;

    for (size_t at = 0; at < size; at += bytes) {
        gunichar character = next_character(text + at, size - at, &bytes);
        char encoded[6];

        if (character != '\r' || at + 1 == size || text[at + 1] != '\n')
            g_byte_array_append(clean, (guint8 *)encoded, (guint)g_unichar_to_utf8(character, encoded));
    }
    if (clean->len > 0 && clean->data[clean->len - 1] != '\n')
        g_byte_array_append(clean, (const guint8 *)"\n", 1);
    return clean;
}

/* Reads the whole file. To be freed with g_byte_array_unref(); NULL: it can't be read, or is too large. */
static GByteArray *read_body(int fd, struct err *err)
{
    GByteArray *text = g_byte_array_new();
    guint8 chunk[16 * 1024];
    ssize_t got;

    while ((got = pread(fd, chunk, sizeof chunk, (off_t)text->len)) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            err_system(err, "reading a reply's body");
            break;
        }
        g_byte_array_append(text, chunk, (guint)got);
        if (text->len > COMPOSE_BODY_MAX) {
            err_set(err, ERR_PERMANENT, "a reply's body has more than %d bytes", COMPOSE_BODY_MAX);
            break;
        }
    }
    if (got == 0)
        return text;
    g_byte_array_unref(text);
    return NULL;
}

/* As readable as can be: bare where lines allow it, else quoted-printable. */
static GMimeContentEncoding best_encoding(GMimePart *part)
{
    GMimeContentEncoding best = g_mime_part_get_best_content_encoding(part, GMIME_ENCODING_CONSTRAINT_7BIT);

    if (best == GMIME_CONTENT_ENCODING_BASE64 || best == GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE)
        return GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE;
    return GMIME_CONTENT_ENCODING_7BIT;
}

static void set_body(GMimeMessage *message, const GByteArray *text)
{
    /* The stream owns the bytes: a large body is not copied again. */
    GMimeStream *stream = g_mime_stream_mem_new_with_byte_array(clean_body((const char *)text->data, text->len));
    GMimeDataWrapper *content = g_mime_data_wrapper_new_with_stream(stream, GMIME_CONTENT_ENCODING_DEFAULT);
    GMimePart *part = g_mime_part_new_with_type("text", "plain");

    g_mime_object_set_content_type_parameter(GMIME_OBJECT(part), "charset", "utf-8");
    g_mime_part_set_content(part, content);
    g_mime_part_set_content_encoding(part, best_encoding(part));
    g_mime_message_set_mime_part(message, GMIME_OBJECT(part));
    g_object_unref(part);
    g_object_unref(content);
    g_object_unref(stream);
}

/* ---- the whole ---- */

static int write_message(GMimeMessage *message, int output, struct err *err)
{
    GMimeStream *stream = g_mime_stream_fs_new(output);
    ssize_t written;

    g_mime_stream_fs_set_owner(GMIME_STREAM_FS(stream), FALSE);
    errno = 0;
    written = g_mime_object_write_to_stream(GMIME_OBJECT(message), NULL, stream);
    g_object_unref(stream);
    return written < 0 ? err_system(err, "writing a reply") : 0;
}

int compose_write(const struct message_reply *reply, int body, int output, struct err *err)
{
    GMimeMessage *message = g_mime_message_new(FALSE);
    GByteArray *text = NULL;
    int status = -1;

    if (check_fields(reply, err) == 0 && set_headers(message, reply, err) == 0)
        text = read_body(body, err);
    if (text != NULL) {
        set_body(message, text);
        g_byte_array_unref(text);
        status = write_message(message, output, err);
    }
    g_object_unref(message);
    return status;
}
