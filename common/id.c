#include "common/id.h"

#include <string.h>

enum { TIME_CHARACTERS = 9, RANDOM_CHARACTERS = ID_LENGTH - TIME_CHARACTERS, BITS = 5 };

/* Crockford's alphabet: no I, L, O or U. In ASCII order, so that texts sort like the numbers they stand for. */
static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

static void put_base32(uint64_t number, char *text, size_t characters)
{
    while (characters > 0) {
        text[--characters] = alphabet[number & 31];
        number >>= BITS;
    }
}

void id_make(int64_t time_ms, uint64_t random, char id[static ID_SIZE])
{
    put_base32((uint64_t)time_ms, id, TIME_CHARACTERS);
    put_base32(random, id + TIME_CHARACTERS, RANDOM_CHARACTERS);
    id[ID_LENGTH] = '\0';
}

/* The value of a character, or -1. memchr and not strchr: a NUL is no character of the alphabet. */
static int value_of(char character)
{
    const char *found = memchr(alphabet, character, sizeof alphabet - 1);

    return found == NULL ? -1 : (int)(found - alphabet);
}

bool id_is_valid(struct span text)
{
    if (text.size != ID_LENGTH)
        return false;
    for (size_t i = 0; i < ID_LENGTH; i++)
        if (value_of(text.data[i]) < 0)
            return false;
    return true;
}

int64_t id_time_ms(const char id[static ID_SIZE])
{
    uint64_t time_ms = 0;

    for (size_t i = 0; i < TIME_CHARACTERS; i++)
        time_ms = time_ms << BITS | (uint64_t)value_of(id[i]);
    return (int64_t)time_ms;
}

bool id_prefix(struct span typed, char prefix[static ID_SIZE])
{
    if (typed.size == 0 || typed.size > ID_LENGTH)
        return false;
    for (size_t i = 0; i < typed.size; i++) {
        char character = typed.data[i];

        if (character >= 'a' && character <= 'z')
            character = (char)(character - 'a' + 'A');
        if (character == 'O')
            character = '0';
        if (character == 'I' || character == 'L')
            character = '1';
        if (value_of(character) < 0)
            return false;
        prefix[i] = character;
    }
    prefix[typed.size] = '\0';
    return true;
}
