#include "common/config_token.h"

#include <stdio.h>
#include <string.h>

/* The byte `ahead` of where we are; a NUL behind the end, as there is none within (it is refused). */
static char peek(const struct config_tokens *tokens, size_t ahead)
{
    size_t at = tokens->at + ahead;

    return at < tokens->text.size ? tokens->text.data[at] : '\0';
}

static bool at_end(const struct config_tokens *tokens)
{
    return tokens->at >= tokens->text.size;
}

static bool is_word(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
           (unsigned char)byte >= 0x80 || (byte != '\0' && strchr("._-+@:/*%", byte) != NULL);
}

static bool is_control(char byte)
{
    return ((unsigned char)byte < 0x20 && byte != '\t') || byte == 0x7F;
}

static struct config_token token_from(const struct config_tokens *tokens, enum config_token_kind kind, size_t start)
{
    return (struct config_token){kind, span_slice(tokens->text, start, tokens->at), tokens->line};
}

static struct config_token fault(struct config_tokens *tokens, const char *text)
{
    snprintf(tokens->fault, sizeof tokens->fault, "%s", text);
    return token_from(tokens, CONFIG_TOKEN_FAULT, tokens->at);
}

static struct config_token fault_byte(struct config_tokens *tokens)
{
    char byte = peek(tokens, 0);

    if (is_control(byte))
        snprintf(tokens->fault, sizeof tokens->fault, "a control character, byte 0x%02X; remove it",
                 (unsigned)(unsigned char)byte);
    else
        snprintf(tokens->fault, sizeof tokens->fault, "unexpected %c; remove it, or put the value in quotes", byte);
    return token_from(tokens, CONFIG_TOKEN_FAULT, tokens->at);
}

static void skip_line(struct config_tokens *tokens)
{
    struct span rest = span_slice(tokens->text, tokens->at, tokens->text.size);

    tokens->at += span_find(rest, '\n');
}

/* Passes over a C comment; false, and still at its start, when it has no end. */
static bool skip_comment(struct config_tokens *tokens)
{
    unsigned lines = 0;

    for (size_t at = tokens->at + 2; at + 1 < tokens->text.size; at++) {
        if (tokens->text.data[at] == '*' && tokens->text.data[at + 1] == '/') {
            tokens->at = at + 2;
            tokens->line += lines;
            return true;
        }
        lines += tokens->text.data[at] == '\n';
    }
    return false;
}

/* Goes to where the next token begins; false when a comment before it has no end. */
static bool skip_space(struct config_tokens *tokens)
{
    for (; !at_end(tokens); tokens->at++) {
        char byte = peek(tokens, 0);

        if (byte == '\n') {
            tokens->line++;
        } else if (byte == '#' || (byte == '/' && peek(tokens, 1) == '/')) {
            skip_line(tokens);
            tokens->at--; /* the line end is counted in the next round */
        } else if (byte == '/' && peek(tokens, 1) == '*') {
            if (!skip_comment(tokens))
                return false;
            tokens->at--;
        } else if (byte != ' ' && byte != '\t' && !(byte == '\r' && peek(tokens, 1) == '\n')) {
            return true;
        }
    }
    return true;
}

static struct config_token take_word(struct config_tokens *tokens)
{
    size_t start = tokens->at;

    while (is_word(peek(tokens, 0)))
        tokens->at++;
    return token_from(tokens, CONFIG_TOKEN_VALUE, start);
}

/*
 * Single quotes know \\ and \' alone, and leave any other backslash as it is. Of libconfuse's escapes for double
 * quotes those are let through that a configuration needs: the rest can make a NUL or end the scan.
 */
static struct config_token take_quoted(struct config_tokens *tokens, char quote)
{
    size_t start = tokens->at++;

    for (; !at_end(tokens) && peek(tokens, 0) != '\n'; tokens->at++) {
        char byte = peek(tokens, 0);

        if (byte == quote) {
            tokens->at++;
            return token_from(tokens, CONFIG_TOKEN_VALUE, start);
        }
        if (is_control(byte) && !(byte == '\r' && peek(tokens, 1) == '\n'))
            return fault_byte(tokens);
        if (byte != '\\')
            continue;
        if (quote == '"' && (peek(tokens, 1) == '\0' || strchr("\"\\nt$", peek(tokens, 1)) == NULL))
            return fault(tokens, "a backslash in quotes; after it may stand \" \\ n t or $, "
                                 "and a backslash itself is written \\\\");
        if (quote == '"' || peek(tokens, 1) == '\'' || peek(tokens, 1) == '\\')
            tokens->at++;
    }
    return fault(tokens, quote == '"' ? "a text is not ended on its line; close it with \""
                                      : "a text is not ended on its line; close it with '");
}

struct config_token config_token_next(struct config_tokens *tokens)
{
    static const struct {
        char byte;
        enum config_token_kind kind;
    } marks[] = {
        {'=', CONFIG_TOKEN_EQUALS},
        {'{', CONFIG_TOKEN_OPEN},
        {'}', CONFIG_TOKEN_CLOSE},
        {',', CONFIG_TOKEN_COMMA},
    };

    if (!skip_space(tokens))
        return fault(tokens, "a comment is not ended; close it with */");
    if (at_end(tokens))
        return token_from(tokens, CONFIG_TOKEN_END, tokens->at);
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++)
        if (peek(tokens, 0) == marks[i].byte) {
            tokens->at++;
            return token_from(tokens, marks[i].kind, tokens->at - 1);
        }
    if (peek(tokens, 0) == '"' || peek(tokens, 0) == '\'')
        return take_quoted(tokens, peek(tokens, 0));
    return is_word(peek(tokens, 0)) ? take_word(tokens) : fault_byte(tokens);
}
