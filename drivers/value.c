/* SPDX-License-Identifier: MIT
**
** value.c - names of types, timestamps to text and back, UTF-8.  Days are counted with
** arithmetic alone; no time zone or locale of the machine takes part.
*/
#include "value.h"

#include <string.h>

enum { MICROS = 1000000, DAY_SECONDS = 86400 };

static const char *const type_names[] = {
    [EL_NULL] = "null",           [EL_BOOL] = "boolean",        [EL_INT] = "integer",
    [EL_FLOAT] = "float",         [EL_TEXT] = "text",           [EL_BYTES] = "bytes",
    [EL_DECIMAL] = "decimal",     [EL_TIMESTAMP] = "timestamp", [EL_DATE] = "date",
    [EL_TIME] = "time",           [EL_JSON] = "json",           [EL_UUID] = "uuid",
    [EL_OBJECT_ID] = "object id", [EL_SPECIAL] = "special",     [EL_LIST] = "list",
    [EL_DOC] = "document",
};

const char *el_type_name(el_type t) {
    size_t i = (size_t)t;
    return i < sizeof type_names / sizeof *type_names ? type_names[i] : "unknown type";
}

/* {====== Calendar ====== */

enum { DAYS_TO_1970 = 719468 }; /* from 0000-03-01 */

/*
** Days since 1970-01-01 of a proleptic Gregorian date that is ok.  Years begin in March
** here, so that the leap day is the last day of a year.
*/
static int64_t days_from_date(int year, int month, int day) {
    unsigned y = (unsigned)(year - (month <= 2));
    unsigned from_march = (unsigned)(month > 2 ? month - 3 : month + 9);
    unsigned day_of_year = (153 * from_march + 2) / 5 + (unsigned)day - 1;
    return (int64_t)(y * 365 + y / 4 - y / 100 + y / 400 + day_of_year) - DAYS_TO_1970;
}

/* The same backwards; 400 years have 146,097 days. */
static void date_from_days(el_civil *out, int64_t days) {
    days += DAYS_TO_1970;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int day_of_era = (int)(days - era * 146097);
    int year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int day_of_year =
        day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int month_from_march = (5 * day_of_year + 2) / 153;
    out->day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    out->month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    out->year = (int)(year_of_era + era * 400) + (out->month <= 2);
}

static int days_in_month(int year, int month) {
    static const signed char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return month == 2 && leap ? 29 : days[month - 1];
}

static bool date_ok(int year, int month, int day) {
    return year >= EL_YEAR_MIN && year <= EL_YEAR_MAX && month >= 1 && month <= 12 &&
           day >= 1 && (day <= 28 || day <= days_in_month(year, month));
}

void el_civil_from_micros(el_civil *out, int64_t micros) {
    int64_t seconds = micros / MICROS;
    int64_t micro = micros % MICROS;
    if (micro < 0) {
        micro += MICROS;
        seconds--;
    }
    int64_t days = seconds / DAY_SECONDS;
    int rest = (int)(seconds % DAY_SECONDS);
    if (rest < 0) {
        rest += DAY_SECONDS;
        days--;
    }
    date_from_days(out, days);
    out->hour = rest / 3600;
    out->minute = rest / 60 % 60;
    out->second = rest % 60;
    out->micro = (int)micro;
}

bool el_civil_to_micros(int64_t *out, const el_civil *civil) {
    if (!date_ok(civil->year, civil->month, civil->day) || civil->hour < 0 ||
        civil->hour > 23 || civil->minute < 0 || civil->minute > 59 ||
        civil->second < 0 || civil->second > 59 || civil->micro < 0 ||
        civil->micro >= MICROS) {
        return false;
    }
    int64_t days = days_from_date(civil->year, civil->month, civil->day);
    int64_t of_day = civil->hour * 3600L + civil->minute * 60L + civil->second;
    *out = (days * DAY_SECONDS + of_day) * MICROS + civil->micro;
    return true;
}

/* }====== */

/* {====== Timestamps as text ====== */

typedef struct reader {
    const char *p, *end;
} reader;

static bool take_char(reader *r, char c) {
    if (r->p < r->end && *r->p == c) {
        r->p++;
        return true;
    }
    return false;
}

/* Exactly n digits. */
static bool take_digits(reader *r, int n, int *out) {
    if (r->end - r->p < n) {
        return false;
    }
    int value = 0;
    for (int i = 0; i < n; i++) {
        unsigned digit = (unsigned)(r->p[i] - '0');
        if (digit > 9) {
            return false;
        }
        value = value * 10 + (int)digit;
    }
    r->p += n;
    *out = value;
    return true;
}

/* Digits after the point, 1 to 9 of them; those beyond the sixth must be zero. */
static bool take_fraction(reader *r, int *micro) {
    int value = 0, n = 0;
    for (; r->p < r->end && (unsigned)(*r->p - '0') <= 9; r->p++, n++) {
        if (n >= 9 || (n >= 6 && *r->p != '0')) {
            return false;
        }
        if (n < 6) {
            value = value * 10 + (*r->p - '0');
        }
    }
    if (n == 0) {
        return false;
    }
    for (; n < 6; n++) {
        value *= 10;
    }
    *micro = value;
    return true;
}

/* (+|-)HH[[:]MM[:SS]], at most 15:59:59; the offset in seconds. */
static bool take_offset(reader *r, int *out) {
    int sign = *r->p++ == '-' ? -1 : 1;
    int hour, minute = 0, second = 0;
    if (!take_digits(r, 2, &hour)) {
        return false;
    }
    if (r->p < r->end) {
        take_char(r, ':');
        if (!take_digits(r, 2, &minute)) {
            return false;
        }
        if (take_char(r, ':') && !take_digits(r, 2, &second)) {
            return false;
        }
    }
    if (hour > 15 || minute > 59 || second > 59) {
        return false;
    }
    *out = sign * (hour * 3600 + minute * 60 + second);
    return true;
}

static bool take_clock(reader *r, el_civil *t) {
    if (!take_digits(r, 2, &t->hour) || !take_char(r, ':') ||
        !take_digits(r, 2, &t->minute)) {
        return false;
    }
    if (take_char(r, ':')) {
        if (!take_digits(r, 2, &t->second)) {
            return false;
        }
        if (take_char(r, '.')) {
            return take_fraction(r, &t->micro);
        }
    }
    return true;
}

static bool micros_in_range(int64_t micros) {
    const int64_t min = INT64_C(-62135596800) * MICROS; /* 0001-01-01 */
    const int64_t end = INT64_C(253402300800) * MICROS; /* 10000-01-01 */
    return micros >= min && micros < end;
}

/* Two digits at p as a number. */
static inline int two(const char *p) {
    return p[0] * 10 + p[1] - '0' * 11;
}

/*
** Eight bytes of a timestamp: what they are where they are no digits; 6 for each digit; and
** the bits that no digit has once '0' is taken off it, nor when 6 is added then.
*/
typedef struct form {
    char text[9], six[9], upper[9];
} form;

static const form year_form = {"0000-00-", "\6\6\6\6\0\6\6\0",
                               "\xF0\xF0\xF0\xF0\xFF\xF0\xF0\xFF"};
static const form day_form = {"00 00:00", "\6\6\0\6\6\0\6\6",
                              "\xF0\xF0\xFF\xF0\xF0\xFF\xF0\xF0"};
static const form second_form = {":00.0000", "\0\6\6\0\6\6\6\6",
                                 "\xFF\xF0\xF0\xFF\xF0\xF0\xF0\xF0"};
static const form micro_form = {"0.000000", "\6\0\6\6\6\6\6\6",
                                "\xF0\xFF\xF0\xF0\xF0\xF0\xF0\xF0"};

static inline bool is_like(const char *p, const form *f) {
    uint64_t word, text, six, upper;
    memcpy(&word, p, sizeof word);
    memcpy(&text, f->text, sizeof text);
    memcpy(&six, f->six, sizeof six);
    memcpy(&upper, f->upper, sizeof upper);
    word ^= text;
    return ((word | (word + six)) & upper) == 0;
}

/*
** The form that this program writes itself, `YYYY-MM-DD HH:MM:SS.ffffff`, which is nearly
** every timestamp of a big result; false for anything else, also where it is no moment.
*/
static bool parse_own(int64_t *out, const char *text) {
    if (!is_like(text, &year_form) || !is_like(text + 8, &day_form) ||
        !is_like(text + 16, &second_form) || !is_like(text + 18, &micro_form)) {
        return false;
    }
    el_civil t = {.year = two(text) * 100 + two(text + 2),
                  .month = two(text + 5),
                  .day = two(text + 8),
                  .hour = two(text + 11),
                  .minute = two(text + 14),
                  .second = two(text + 17),
                  .micro = two(text + 20) * 10000 + two(text + 22) * 100 + two(text + 24)};
    return el_civil_to_micros(out, &t);
}

enum { OWN_LENGTH = 26 };

bool el_timestamp_parse(int64_t *out, const char *text, size_t n) {
    if (n == OWN_LENGTH && parse_own(out, text)) {
        return true;
    }
    reader r = {text, text + n};
    el_civil t = {0};
    int offset = 0;
    if (!take_digits(&r, 4, &t.year) || !take_char(&r, '-') ||
        !take_digits(&r, 2, &t.month) || !take_char(&r, '-') ||
        !take_digits(&r, 2, &t.day)) {
        return false;
    }
    if (r.p < r.end) {
        if (!take_char(&r, ' ') && !take_char(&r, 'T')) {
            return false;
        }
        if (!take_clock(&r, &t)) {
            return false;
        }
        if (r.p < r.end && (*r.p == '+' || *r.p == '-')) {
            if (!take_offset(&r, &offset)) {
                return false;
            }
        } else {
            take_char(&r, 'Z');
        }
    }
    int64_t micros;
    if (r.p != r.end || !el_civil_to_micros(&micros, &t)) {
        return false;
    }
    micros -= (int64_t)offset * MICROS;
    if (!micros_in_range(micros)) {
        return false;
    }
    *out = micros;
    return true;
}

/* Writes the n lowest decimal digits of a value, n even. */
static char *put_digits(char *out, int value, int n) {
    static const char pairs[] = "00010203040506070809101112131415161718192021222324"
                                "25262728293031323334353637383940414243444546474849"
                                "50515253545556575859606162636465666768697071727374"
                                "75767778798081828384858687888990919293949596979899";
    unsigned rest = (unsigned)value;
    for (int i = n - 2; i >= 0; i -= 2) {
        memcpy(out + i, pairs + (size_t)(rest % 100) * 2, 2);
        rest /= 100;
    }
    return out + n;
}

size_t el_timestamp_format(char *out, int64_t micros, char sep) {
    el_civil t;
    el_civil_from_micros(&t, micros);
    char *p = out;
    if (t.year < 0 || t.year > EL_YEAR_MAX) { /* ISO 8601's form for such years */
        *p++ = t.year < 0 ? '-' : '+';
        p = put_digits(p, t.year < 0 ? -t.year : t.year, 6);
    } else {
        p = put_digits(p, t.year, 4);
    }
    *p++ = '-';
    p = put_digits(p, t.month, 2);
    *p++ = '-';
    p = put_digits(p, t.day, 2);
    *p++ = sep;
    p = put_digits(p, t.hour, 2);
    *p++ = ':';
    p = put_digits(p, t.minute, 2);
    *p++ = ':';
    p = put_digits(p, t.second, 2);
    *p++ = '.';
    p = put_digits(p, t.micro, 6);
    *p = '\0';
    return (size_t)(p - out);
}

/* }====== */

/* {====== UTF-8 ====== */

static bool is_tail(unsigned char c) {
    return (c & 0xC0) == 0x80;
}

/* Length of the sequence at p, 0 when it is none; `left` bytes may be read. */
static size_t sequence_length(const unsigned char *p, size_t left) {
    unsigned char c = p[0];
    if (c >= 0xC2 && c <= 0xDF) {
        return left >= 2 && is_tail(p[1]) ? 2 : 0;
    }
    if (c >= 0xE0 && c <= 0xEF) {
        if (left < 3 || !is_tail(p[1]) || !is_tail(p[2])) {
            return 0;
        }
        bool overlong = c == 0xE0 && p[1] < 0xA0;
        bool surrogate = c == 0xED && p[1] >= 0xA0;
        return overlong || surrogate ? 0 : 3;
    }
    if (c >= 0xF0 && c <= 0xF4) {
        if (left < 4 || !is_tail(p[1]) || !is_tail(p[2]) || !is_tail(p[3])) {
            return 0;
        }
        bool overlong = c == 0xF0 && p[1] < 0x90;
        bool beyond = c == 0xF4 && p[1] >= 0x90;
        return overlong || beyond ? 0 : 4;
    }
    return 0;
}

/* Most texts are, which takes eight bytes a step; the last step may read some twice. */
static bool is_ascii(const unsigned char *p, size_t n) {
    uint64_t word, high = 0;
    if (n < sizeof word) {
        for (size_t i = 0; i < n; i++) {
            high |= p[i];
        }
        return high < 0x80;
    }
    for (size_t i = 0; i + sizeof word < n; i += sizeof word) {
        memcpy(&word, p + i, sizeof word);
        if (word & UINT64_C(0x8080808080808080)) {
            return false;
        }
    }
    memcpy(&word, p + n - sizeof word, sizeof word);
    return (word & UINT64_C(0x8080808080808080)) == 0;
}

bool el_utf8_valid(const char *text, size_t n) {
    const unsigned char *p = (const unsigned char *)text;
    if (is_ascii(p, n)) {
        return true;
    }
    for (size_t i = 0; i < n;) {
        size_t len = p[i] < 0x80 ? 1 : sequence_length(p + i, n - i);
        if (len == 0) {
            return false;
        }
        i += len;
    }
    return true;
}

size_t el_utf8_length(const char *text, size_t n) {
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        count += !is_tail((unsigned char)text[i]);
    }
    return count;
}

/* }====== */
