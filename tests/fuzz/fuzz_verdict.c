/* What is kept of a certificate: whatever the file holds, it is a verdict on the pair in question, or none. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "receiver/starttls_verdict.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct starttls_verdict verdict = {0};
    struct err err = {0};

    if (!starttls_verdict_read((struct span){(const char *)data, size}, "pair", &verdict))
        return 0;
    if (size < 10 || memcmp(data, "pair ", 5) != 0 || verdict.from_s < 0 || verdict.until_s < 0 ||
        strlen(verdict.reason) >= size)
        abort();
    /* One with a reason will not do on any day. */
    if (verdict.reason[0] != '\0' && starttls_verdict_judge(&verdict, "c.pem", verdict.from_s, &err) == 0)
        abort();
    return 0;
}
