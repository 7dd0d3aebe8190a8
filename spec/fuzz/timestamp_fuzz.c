/* SPDX-License-Identifier: MIT
**
** timestamp_fuzz.c - moments as text and as microseconds, and UTF-8.  The C library
** counts the seconds once more.
*/
#include "fuzz.h"

#include <time.h>

#include "value.h"

static const int64_t first_micro = INT64_C(-62135596800000000);
static const int64_t last_micro = INT64_C(253402300799999999);

static void check_count(int64_t micros) {
    char text[EL_TIMESTAMP_SIZE];
    el_civil civil;
    int64_t again = 0;
    size_t n = el_timestamp_format(text, micros, ' ');
    REQUIRE(n < sizeof text && strlen(text) == n);
    el_civil_from_micros(&civil, micros);
    bool fits = micros >= first_micro && micros <= last_micro;
    REQUIRE(el_civil_to_micros(&again, &civil) == fits);
    REQUIRE(!fits || again == micros);
    REQUIRE(el_timestamp_parse(&again, text, n) == fits);
    REQUIRE(!fits || again == micros);
    if (fits) {
        struct tm tm = {.tm_year = civil.year - 1900,
                        .tm_mon = civil.month - 1,
                        .tm_mday = civil.day,
                        .tm_hour = civil.hour,
                        .tm_min = civil.minute,
                        .tm_sec = civil.second};
        REQUIRE((int64_t)timegm(&tm) * 1000000 + civil.micro == micros);
    }
}

static void check_text(const char *text, size_t n) {
    char plain[EL_TIMESTAMP_SIZE];
    int64_t micros = 42, again;
    if (!el_timestamp_parse(&micros, text, n)) {
        REQUIRE(micros == 42);
        return;
    }
    REQUIRE(micros >= first_micro && micros <= last_micro);
    size_t len = el_timestamp_format(plain, micros, 'T');
    REQUIRE(el_timestamp_parse(&again, plain, len) && again == micros);
    check_count(micros);
}

/* Decodes as the standard's table does, one code point at a time. */
static bool valid_utf8(const unsigned char *p, size_t n, size_t *count) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    *count = 0;
    for (size_t i = 0; i < n; ++*count) {
        unsigned c = p[i];
        size_t len = c < 0x80 ? 1 : c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : c >= 0xC0 ? 2 : 0;
        if (len == 0 || c >= 0xF8 || len > n - i) {
            return false;
        }
        uint32_t point = len == 1 ? c : c & (0x7Fu >> len);
        for (size_t k = 1; k < len; k++) {
            if ((p[i + k] & 0xC0) != 0x80) {
                return false;
            }
            point = point << 6 | (p[i + k] & 0x3F);
        }
        if (point < least[len] || point > 0x10FFFF ||
            (point >= 0xD800 && point < 0xE000)) {
            return false;
        }
        i += len;
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_input in = {data, data + size};
    size_t n = size, count;
    char *text = fuzz_bytes(&in, &n);
    check_text(text, n);
    bool valid = valid_utf8((unsigned char *)text, n, &count);
    REQUIRE(el_utf8_valid(text, n) == valid);
    REQUIRE(!valid || el_utf8_length(text, n) == count);
    in.p = data;
    check_count((int64_t)fuzz_word(&in));
    free(text);
    return 0;
}
