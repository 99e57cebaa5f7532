/*
 * Goal:   no file makes the configuration's reader fail in another way than with mistakes.
 * Method: any bytes; a configuration that is taken has what is required, one that is not says why,
 * in whole lines that begin with a place in the file.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "server/config.h"
#include "tests/fuzz/fuzz.h"

/* NOLINTBEGIN(bugprone-reserved-identifier) */
const char *__lsan_default_suppressions(void);

/* libfyaml 0.7.12 loses a few bytes of some malformed files; the process is about to end then. */
const char *__lsan_default_suppressions(void) { return "leak:libfyaml"; }
/* NOLINTEND(bugprone-reserved-identifier) */

static void check_lines(struct bytes lines)
{
    static const char place[] = "f:";
    assert(lines.length > 0 && lines.data[lines.length - 1] == '\n');
    for (size_t start = 0; start < lines.length;) {
        const uint8_t *line = &lines.data[start];
        const uint8_t *end = memchr(line, '\n', lines.length - start);
        assert(end != NULL && memcmp(line, place, strlen(place)) == 0);
        start = (size_t)(end - lines.data) + 1;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    struct config config;
    struct buffer mistakes;
    buffer_init(&mistakes, 1 << 20);
    if (config_parse((struct bytes){data, length}, "f", &config, &mistakes)) {
        assert(config.data != NULL && config.schemas.length > 0 && mistakes.length == 0);
    } else {
        check_lines(buffer_bytes(&mistakes));
    }
    config_finish(&config);
    buffer_finish(&mistakes);
    return 0;
}
