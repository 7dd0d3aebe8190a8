/* SPDX-License-Identifier: MIT
**
** datetime.c - the datetime userdata: a moment in UTC, to the microsecond.  The calendar
** is the proleptic Gregorian one of drivers/value.c; the machine's time zone and locale
** take no part in anything here.
*/
#include <math.h>
#include <string.h>
#include <time.h>

#include "core.h"

static const int64_t MICROS = 1000000;
static const int64_t DAY = 86400 * (int64_t)1000000;

/* 0001-01-01T00:00:00Z and 9999-12-31T23:59:59.999999Z */
static const int64_t FIRST = -62135596800 * (int64_t)1000000;
static const int64_t LAST = 253402300800 * (int64_t)1000000 - 1;

/* {====== Making and reading ====== */

static void push_metatable(lua_State *L);

static int out_of_range(lua_State *L) {
    return elL_fail(L, EL_ERR_VALUE, "a datetime must be within the years %d to %d",
                    EL_YEAR_MIN, EL_YEAR_MAX);
}

static const char stored_tag;

typedef struct stored {
    const void *tag; /* says that it is one */
    int64_t micros;
} stored;

void elL_pushdatetime(lua_State *L, int64_t micros) {
    if (micros < FIRST || micros > LAST) {
        out_of_range(L);
    }
    stored *t = lua_newuserdatauv(L, sizeof *t, 0);
    *t = (stored){&stored_tag, micros};
    push_metatable(L);
    lua_setmetatable(L, -2);
}

bool elL_testdatetime(lua_State *L, int idx, int64_t *micros) {
    const stored *t = elL_testtag(L, idx, &stored_tag, sizeof *t);
    if (t) {
        *micros = t->micros;
    }
    return t != NULL;
}

static int64_t check_datetime(lua_State *L, int idx) {
    int64_t micros = 0;
    if (!elL_testdatetime(L, idx, &micros)) {
        luaL_typeerror(L, idx, "datetime");
    }
    return micros;
}

static const char *type_at(lua_State *L, int idx) {
    return elL_isnull(L, idx) ? "null" : luaL_typename(L, idx);
}

/* Seconds as microseconds; a float is rounded to the nearest. */
static int64_t check_seconds(lua_State *L, int idx) {
    int64_t micros = 0;
    if (lua_isinteger(L, idx)) {
        if (__builtin_mul_overflow((int64_t)lua_tointeger(L, idx), MICROS, &micros)) {
            out_of_range(L);
        }
        return micros;
    }
    if (lua_type(L, idx) != LUA_TNUMBER) {
        elL_fail(L, EL_ERR_VALUE,
                 "a datetime takes a number of seconds here, got %s; other units: "
                 "t:add{ days = 1 }",
                 type_at(L, idx));
    }
    double seconds = lua_tonumber(L, idx);
    if (!(fabs(seconds) < 1e12)) {
        out_of_range(L);
    }
    double whole = floor(seconds);
    return (int64_t)whole * MICROS + llround((seconds - whole) * 1e6);
}

/* }====== */

/* {====== Calendar ====== */

static int64_t floor_div(int64_t a, int64_t b) {
    int64_t q = a / b;
    return a % b < 0 ? q - 1 : q;
}

/* 1 is Monday, 7 Sunday; day 0 of the count, 1970-01-01, was a Thursday. */
static int weekday(int64_t micros) {
    int64_t days = floor_div(micros, DAY) + 3;
    return (int)(days - floor_div(days, 7) * 7) + 1;
}

static int64_t year_start(int year) {
    el_civil c = {.year = year, .month = 1, .day = 1};
    int64_t micros = 0;
    el_civil_to_micros(&micros, &c);
    return micros;
}

static int yearday(int64_t micros, int year) {
    return (int)((micros - year_start(year)) / DAY) + 1;
}

/* Week of ISO 8601: week 1 is the one with the year's first Thursday. */
static int iso_week(int64_t micros, int *year) {
    /* the week's Thursday is in the year that the week belongs to; it may be year 0 or
       10000, so count from the moment's own year */
    el_civil c;
    el_civil_from_micros(&c, micros);
    int day = yearday(micros, c.year) - weekday(micros) + 4;
    bool leap = c.year % 4 == 0 && (c.year % 100 != 0 || c.year % 400 == 0);
    int length = leap ? 366 : 365;
    *year = c.year;
    if (day > length) {
        *year = c.year + 1;
        return 1;
    }
    if (day < 1) {
        int before = c.year - 1;
        bool leap_before = before % 4 == 0 && (before % 100 != 0 || before % 400 == 0);
        *year = before;
        day += leap_before ? 366 : 365;
    }
    return (day - 1) / 7 + 1;
}

/* Moves by months; a day that the month does not have becomes its last one. */
static bool add_months(int64_t *micros, int64_t months) {
    el_civil c;
    el_civil_from_micros(&c, *micros);
    int64_t count;
    if (__builtin_add_overflow((int64_t)c.year * 12 + c.month - 1, months, &count)) {
        return false;
    }
    int64_t year = floor_div(count, 12);
    if (year < EL_YEAR_MIN || year > EL_YEAR_MAX) {
        return false;
    }
    c.year = (int)year;
    c.month = (int)(count - year * 12) + 1;
    while (!el_civil_to_micros(micros, &c)) {
        c.day--;
    }
    return true;
}

/* }====== */

/* {====== Text ====== */

static const char *const day_names[] = {"Monday", "Tuesday",  "Wednesday", "Thursday",
                                        "Friday", "Saturday", "Sunday"};
static const char *const month_names[] = {
    "January", "February", "March",     "April",   "May",      "June",
    "July",    "August",   "September", "October", "November", "December"};

void elL_pushdatetimetext(lua_State *L, int64_t micros) {
    char text[EL_TIMESTAMP_SIZE];
    size_t n = el_timestamp_format(text, micros, 'T');
    if (memcmp(text + n - 7, ".000000", 7) == 0) {
        n -= 7;
    }
    text[n++] = 'Z';
    lua_pushlstring(L, text, n);
}

/* Adds a number of at least `width` digits, filled up with `fill`. */
static void add_number(luaL_Buffer *b, int64_t value, int width, char fill) {
    char digits[24];
    int n = 0;
    uint64_t u = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        digits[n++] = (char)('0' + u % 10);
        u /= 10;
    } while (u > 0);
    while (n < width) {
        digits[n++] = fill;
    }
    if (value < 0) {
        luaL_addchar(b, '-');
    }
    while (n > 0) {
        luaL_addchar(b, digits[--n]);
    }
}

typedef struct moment {
    int64_t micros;
    el_civil c;
} moment;

static void add_format(lua_State *L, luaL_Buffer *b, const moment *m, const char *p,
                       const char *end);

static bool add_number_field(luaL_Buffer *b, const moment *m, char conversion) {
    const el_civil *c = &m->c;
    int year;
    switch (conversion) {
    case 'Y':
        return add_number(b, c->year, 4, '0'), true;
    case 'y':
        return add_number(b, c->year % 100, 2, '0'), true;
    case 'm':
        return add_number(b, c->month, 2, '0'), true;
    case 'd':
        return add_number(b, c->day, 2, '0'), true;
    case 'e':
        return add_number(b, c->day, 2, ' '), true;
    case 'H':
        return add_number(b, c->hour, 2, '0'), true;
    case 'I':
        return add_number(b, (c->hour + 11) % 12 + 1, 2, '0'), true;
    case 'M':
        return add_number(b, c->minute, 2, '0'), true;
    case 'S':
        return add_number(b, c->second, 2, '0'), true;
    case 'f':
        return add_number(b, c->micro, 6, '0'), true;
    case 'j':
        return add_number(b, yearday(m->micros, c->year), 3, '0'), true;
    case 'u':
        return add_number(b, weekday(m->micros), 1, '0'), true;
    case 'w':
        return add_number(b, weekday(m->micros) % 7, 1, '0'), true;
    case 'V':
        return add_number(b, iso_week(m->micros, &year), 2, '0'), true;
    case 'G':
        iso_week(m->micros, &year);
        return add_number(b, year, 4, '0'), true;
    case 's':
        return add_number(b, floor_div(m->micros, MICROS), 1, '0'), true;
    default:
        return false;
    }
}

static bool add_text_field(lua_State *L, luaL_Buffer *b, const moment *m,
                           char conversion) {
    const char *name = day_names[weekday(m->micros) - 1];
    const char *month = month_names[m->c.month - 1];
    static const char date[] = "%Y-%m-%d", time[] = "%H:%M:%S", short_time[] = "%H:%M";
    switch (conversion) {
    case 'a':
        return luaL_addlstring(b, name, 3), true;
    case 'A':
        return luaL_addstring(b, name), true;
    case 'b':
        return luaL_addlstring(b, month, 3), true;
    case 'B':
        return luaL_addstring(b, month), true;
    case 'p':
        return luaL_addstring(b, m->c.hour < 12 ? "AM" : "PM"), true;
    case 'F':
        return add_format(L, b, m, date, date + sizeof date - 1), true;
    case 'T':
        return add_format(L, b, m, time, time + sizeof time - 1), true;
    case 'R':
        return add_format(L, b, m, short_time, short_time + sizeof short_time - 1), true;
    case 'z':
        return luaL_addstring(b, "+0000"), true;
    case 'Z':
        return luaL_addstring(b, "UTC"), true;
    case '%':
        return luaL_addchar(b, '%'), true;
    default:
        return false;
    }
}

static void add_format(lua_State *L, luaL_Buffer *b, const moment *m, const char *p,
                       const char *end) {
    for (; p < end; p++) {
        if (*p != '%') {
            luaL_addchar(b, *p);
        } else if (++p == end) {
            elL_fail(L, EL_ERR_MISUSE,
                     "format: the pattern ends with a single %%; write "
                     "%%%% for the sign itself");
        } else if (!add_number_field(b, m, *p) && !add_text_field(L, b, m, *p)) {
            elL_fail(L, EL_ERR_MISUSE, "format: unknown conversion '%%%c'; known are %s",
                     *p, "Y y m d e H I M S f p j a A b B u w V G F T R s z Z %");
        }
    }
}

/* t:format(pattern): strftime's conversions, in English and UTC; %f: microseconds. */
static int datetime_format(lua_State *L) {
    moment m = {.micros = check_datetime(L, 1)};
    size_t n;
    const char *pattern = luaL_checklstring(L, 2, &n);
    el_civil_from_micros(&m.c, m.micros);
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    add_format(L, &b, &m, pattern, pattern + n);
    luaL_pushresult(&b);
    return 1;
}

static int datetime_tostring(lua_State *L) {
    elL_pushdatetimetext(L, check_datetime(L, 1));
    return 1;
}

/* "2024-05-01" */
static int datetime_date(lua_State *L) {
    char text[EL_TIMESTAMP_SIZE];
    el_timestamp_format(text, check_datetime(L, 1), 'T');
    lua_pushlstring(L, text, 10);
    return 1;
}

/* "12:00:00", with its microseconds where there are any. */
static int datetime_time(lua_State *L) {
    elL_pushdatetimetext(L, check_datetime(L, 1));
    size_t n;
    const char *text = lua_tolstring(L, -1, &n);
    lua_pushlstring(L, text + 11, n - 12);
    return 1;
}

static int datetime_concat(lua_State *L) {
    int64_t micros;
    for (int i = 1; i <= 2; i++) {
        if (!lua_isstring(L, i) && !elL_testdatetime(L, i, &micros)) {
            return luaL_error(L, "attempt to concatenate a datetime and a %s value",
                              luaL_typename(L, i));
        }
        luaL_tolstring(L, i, NULL);
    }
    lua_concat(L, 2);
    return 1;
}

/* }====== */

/* {====== Operators ====== */

/* Pushes the moment so many microseconds later. */
static int push_later(lua_State *L, int64_t micros, int64_t by) {
    int64_t sum;
    if (__builtin_add_overflow(micros, by, &sum)) {
        return out_of_range(L);
    }
    elL_pushdatetime(L, sum);
    return 1;
}

static int datetime_add(lua_State *L) {
    int64_t micros;
    if (elL_testdatetime(L, 1, &micros)) {
        return push_later(L, micros, check_seconds(L, 2));
    }
    return push_later(L, check_datetime(L, 2), check_seconds(L, 1));
}

/* datetime - seconds is a datetime; datetime - datetime is seconds: an integer when they
   are whole, else a float (`diff` counts microseconds exactly). */
static int datetime_sub(lua_State *L) {
    int64_t a = check_datetime(L, 1), b, by;
    if (!elL_testdatetime(L, 2, &b)) {
        by = check_seconds(L, 2);
        return push_later(L, a, by == INT64_MIN ? INT64_MAX : -by);
    }
    if ((a - b) % MICROS == 0) {
        lua_pushinteger(L, (a - b) / MICROS);
    } else {
        lua_pushnumber(L, (lua_Number)(a - b) / 1e6);
    }
    return 1;
}

/* Lua calls it for two userdata only, so one of them may be anything. */
static int datetime_eq(lua_State *L) {
    int64_t a, b;
    lua_pushboolean(L,
                    elL_testdatetime(L, 1, &a) && elL_testdatetime(L, 2, &b) && a == b);
    return 1;
}

static void check_pair(lua_State *L, int64_t *a, int64_t *b) {
    if (!elL_testdatetime(L, 1, a) || !elL_testdatetime(L, 2, b)) {
        int other = elL_testdatetime(L, 1, a) ? 2 : 1;
        elL_fail(
            L, EL_ERR_VALUE,
            "a datetime is compared with a datetime, got %s; make one from text with "
            "datetime(\"2024-05-01\")",
            type_at(L, other));
    }
}

static int datetime_lt(lua_State *L) {
    int64_t a, b;
    check_pair(L, &a, &b);
    lua_pushboolean(L, a < b);
    return 1;
}

static int datetime_le(lua_State *L) {
    int64_t a, b;
    check_pair(L, &a, &b);
    lua_pushboolean(L, a <= b);
    return 1;
}

/* }====== */

/* {====== Units ====== */

typedef enum unit {
    U_MICROSECONDS,
    U_MILLISECONDS,
    U_SECONDS,
    U_MINUTES,
    U_HOURS,
    U_DAYS,
    U_WEEKS,
    U_MONTHS,
    U_YEARS
} unit;

static const char *const unit_names[] = {
    "microseconds", "milliseconds", "seconds", "minutes", "hours",
    "days",         "weeks",        "months",  "years",   NULL};

/* Microseconds of the units up to weeks. */
static const int64_t unit_micros[] = {1,          1000,        1000000,        60000000,
                                      3600000000, 86400000000, 7 * 86400000000};

/* Number of the unit that the string at `idx` names. */
static int check_unit(lua_State *L, int idx, const char *const *units, const char *verb,
                      const char *known) {
    const char *name = lua_type(L, idx) == LUA_TSTRING ? lua_tostring(L, idx) : NULL;
    for (int i = 0; name && units[i]; i++) {
        if (strcmp(units[i], name) == 0) {
            return i;
        }
    }
    return elL_fail(L, EL_ERR_MISUSE, "%s: unknown unit '%s'; known are %s", verb,
                    luaL_tolstring(L, idx, NULL), known);
}

/* t:add{ years=, months=, weeks=, days=, hours=, minutes=, seconds=, milliseconds=,
   microseconds= }: years and months first, then the rest; seconds may be a float. */
static int datetime_add_units(lua_State *L) {
    int64_t micros = check_datetime(L, 1), months = 0, by = 0;
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    for (lua_pushnil(L); lua_next(L, 2); lua_pop(L, 1)) {
        int u = check_unit(L, -2, unit_names, "add",
                           "years, months, weeks, days, hours, minutes, seconds, "
                           "milliseconds, microseconds");
        int64_t part;
        bool beyond;
        if (u == U_SECONDS) {
            beyond = __builtin_add_overflow(by, check_seconds(L, -1), &by);
        } else if (!lua_isinteger(L, -1)) {
            return elL_fail(L, EL_ERR_VALUE, "add: %s must be an integer, got %s",
                            unit_names[u], type_at(L, -1));
        } else if (u >= U_MONTHS) {
            beyond = __builtin_mul_overflow((int64_t)lua_tointeger(L, -1),
                                            u == U_YEARS ? 12 : 1, &part) ||
                     __builtin_add_overflow(months, part, &months);
        } else {
            beyond = __builtin_mul_overflow((int64_t)lua_tointeger(L, -1), unit_micros[u],
                                            &part) ||
                     __builtin_add_overflow(by, part, &by);
        }
        if (beyond) {
            return out_of_range(L);
        }
    }
    if (months != 0 && !add_months(&micros, months)) {
        return out_of_range(L);
    }
    return push_later(L, micros, by);
}

enum { S_DAY = 4, S_WEEK, S_MONTH, S_YEAR };

static const char *const span_names[] = {"millisecond", "second", "minute", "hour", "day",
                                         "week",        "month",  "year",   NULL};

static int check_span(lua_State *L, const char *verb) {
    return check_unit(L, 2, span_names, verb,
                      "year, month, week, day, hour, minute, second, millisecond");
}

/* The moment at which the span around another began; weeks begin on Monday. */
static int64_t span_start(int64_t micros, int span) {
    el_civil c;
    if (span <= S_DAY) {
        int64_t size = unit_micros[span + U_MILLISECONDS];
        return floor_div(micros, size) * size;
    } else if (span == S_WEEK) {
        return floor_div(micros, DAY) * DAY - (weekday(micros) - 1) * DAY;
    }
    el_civil_from_micros(&c, micros);
    c = (el_civil){.year = c.year, .month = span == S_MONTH ? c.month : 1, .day = 1};
    el_civil_to_micros(&micros, &c);
    return micros;
}

/* t:startOf(unit) */
static int datetime_start_of(lua_State *L) {
    int64_t micros = check_datetime(L, 1);
    elL_pushdatetime(L, span_start(micros, check_span(L, "startOf")));
    return 1;
}

/* t:endOf(unit): the last microsecond of the unit around t. */
static int datetime_end_of(lua_State *L) {
    /* of a week, of the longest month and year */
    static const int64_t days[] = {7, 31, 366};
    int64_t micros = check_datetime(L, 1);
    int span = check_span(L, "endOf");
    int64_t start = span_start(micros, span);
    if (span <= S_DAY) {
        start += unit_micros[span + U_MILLISECONDS];
    } else { /* so many days after its start is always in the next one */
        int64_t next = start + days[span - S_WEEK] * DAY;
        start = next > LAST ? LAST + 1 : span_start(next, span);
    }
    elL_pushdatetime(L, start - 1);
    return 1;
}

static int64_t whole_months(int64_t from, int64_t to) {
    el_civil a, b;
    el_civil_from_micros(&a, from);
    el_civil_from_micros(&b, to);
    int64_t months = (int64_t)(b.year - a.year) * 12 + b.month - a.month;
    int64_t reached = from;
    add_months(&reached, months); /* within to's month, so in range */
    if (to >= from && reached > to) {
        months--;
    } else if (to < from && reached < to) {
        months++;
    }
    return months;
}

/* t:diff(other, unit = "seconds"): whole units from `other` to t, negative when t is
   before it. */
static int datetime_diff(lua_State *L) {
    int64_t a = check_datetime(L, 1), b = check_datetime(L, 2);
    unit u = (unit)luaL_checkoption(L, 3, "seconds", unit_names);
    if (u >= U_MONTHS) {
        lua_pushinteger(L, whole_months(b, a) / (u == U_YEARS ? 12 : 1));
    } else {
        lua_pushinteger(L, (a - b) / unit_micros[u]);
    }
    return 1;
}

/* }====== */

/* {====== Fields ====== */

typedef enum field {
    F_YEAR = 1,
    F_MONTH,
    F_DAY,
    F_HOUR,
    F_MINUTE,
    F_SECOND,
    F_MICRO,
    F_WEEKDAY,
    F_YEARDAY,
    F_UNIX
} field;

static const char *const field_names[] = {"year",    "month",  "day",   "hour",
                                          "minute",  "second", "micro", "weekday",
                                          "yearday", "unix",   NULL};

static lua_Integer field_value(int64_t micros, field f) {
    el_civil c;
    el_civil_from_micros(&c, micros);
    switch (f) {
    case F_YEAR:
        return c.year;
    case F_MONTH:
        return c.month;
    case F_DAY:
        return c.day;
    case F_HOUR:
        return c.hour;
    case F_MINUTE:
        return c.minute;
    case F_SECOND:
        return c.second;
    case F_MICRO:
        return c.micro;
    case F_WEEKDAY:
        return weekday(micros);
    case F_YEARDAY:
        return yearday(micros, c.year);
    default:
        return floor_div(micros, MICROS);
    }
}

/* Upvalue 1: name of a method -> function, of a field -> its number. */
static int datetime_index(lua_State *L) {
    int64_t micros = check_datetime(L, 1);
    lua_pushvalue(L, 2);
    switch (lua_rawget(L, lua_upvalueindex(1))) {
    case LUA_TNUMBER:
        lua_pushinteger(L, field_value(micros, (field)lua_tointeger(L, -1)));
        return 1;
    case LUA_TNIL:
        return elL_fail(L, EL_ERR_MISUSE,
                        "a datetime has no field '%s'; it has year, month, day, hour, "
                        "minute, second, micro, weekday, yearday and unix",
                        luaL_tolstring(L, 2, NULL));
    default:
        return 1;
    }
}

static int datetime_newindex(lua_State *L) {
    return elL_fail(
        L, EL_ERR_MISUSE,
        "a datetime cannot be changed; make a new one, as in t:add{ days = 1 }");
}

/* }====== */

/* {====== Module ====== */

static void push_metatable(lua_State *L) {
    static const luaL_Reg meta[] = {
        {"__add", datetime_add},
        {"__sub", datetime_sub},
        {"__eq", datetime_eq},
        {"__lt", datetime_lt},
        {"__le", datetime_le},
        {"__tostring", datetime_tostring},
        {"__concat", datetime_concat},
        {"__newindex", datetime_newindex},
        {NULL, NULL},
    };
    static const luaL_Reg methods[] = {
        {"add", datetime_add_units}, {"startOf", datetime_start_of},
        {"endOf", datetime_end_of},  {"diff", datetime_diff},
        {"format", datetime_format}, {"date", datetime_date},
        {"time", datetime_time},     {NULL, NULL},
    };
    if (luaL_getmetatable(L, ELL_DATETIME) != LUA_TNIL) {
        return;
    }
    lua_pop(L, 1);
    luaL_newmetatable(L, ELL_DATETIME);
    luaL_setfuncs(L, meta, 0);
    luaL_newlib(L, methods);
    for (int i = 0; field_names[i]; i++) {
        lua_pushinteger(L, i + 1);
        lua_setfield(L, -2, field_names[i]);
    }
    lua_pushcclosure(L, datetime_index, 1);
    lua_setfield(L, -2, "__index");
    lua_pushliteral(L, ELL_DATETIME);
    lua_setfield(L, -2, "__metatable");
}

/* Fields of datetime{...}: the first seven of the names above. */
static int from_fields(lua_State *L, int idx) {
    int values[F_MICRO] = {0};
    bool given[F_MICRO] = {false};
    for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1)) {
        int f = 0;
        bool known = lua_type(L, -2) == LUA_TSTRING;
        while (known && f < F_MICRO && strcmp(field_names[f], lua_tostring(L, -2)) != 0) {
            f++;
        }
        if (!known || f == F_MICRO) {
            return elL_fail(L, EL_ERR_MISUSE,
                            "datetime: unknown field '%s'; known are year, month, day, "
                            "hour, minute, second, micro",
                            luaL_tolstring(L, -2, NULL));
        }
        int whole;
        lua_Integer v = lua_tointegerx(L, -1, &whole);
        if (lua_type(L, -1) != LUA_TNUMBER || !whole) {
            return elL_fail(L, EL_ERR_VALUE, "datetime: %s must be an integer, got %s",
                            field_names[f], type_at(L, -1));
        }
        values[f] = v < 0 || v > 1000000 ? -1 : (int)v;
        given[f] = true;
    }
    if (!given[0] || !given[1] || !given[2]) {
        return elL_fail(L, EL_ERR_MISUSE,
                        "datetime: the fields year, month and day are required");
    }
    el_civil c = {values[0], values[1], values[2], values[3],
                  values[4], values[5], values[6]};
    int64_t micros;
    if (!el_civil_to_micros(&micros, &c)) {
        return elL_fail(L, EL_ERR_VALUE,
                        "datetime: there is no such day or time; years are %d to %d, "
                        "hours 0 to 23",
                        EL_YEAR_MIN, EL_YEAR_MAX);
    }
    elL_pushdatetime(L, micros);
    return 1;
}

/* datetime(text), datetime{ year=, month=, day=, ... }, datetime(datetime) */
static int datetime_call(lua_State *L) {
    int64_t micros;
    size_t n;
    lua_settop(L, 2);
    if (lua_type(L, 2) == LUA_TTABLE) {
        return from_fields(L, 2);
    }
    if (elL_testdatetime(L, 2, &micros)) {
        return 1;
    }
    if (lua_type(L, 2) != LUA_TSTRING) {
        return elL_fail(L, EL_ERR_VALUE,
                        "a datetime is made from text or a table of fields, got %s; from "
                        "seconds since 1970: datetime.fromUnix(seconds)",
                        type_at(L, 2));
    }
    const char *text = lua_tolstring(L, 2, &n);
    if (!el_timestamp_parse(&micros, text, n)) {
        return elL_fail(L, EL_ERR_VALUE,
                        "the text is no moment within the years %d to %d to the "
                        "microsecond; write it as 2024-05-01T12:00:00Z",
                        EL_YEAR_MIN, EL_YEAR_MAX);
    }
    elL_pushdatetime(L, micros);
    return 1;
}

/* Registry key of the moment that `now` stands at. */
static const char frozen = 0;

static int datetime_now(lua_State *L) {
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &frozen) != LUA_TNIL) {
        return 1;
    }
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    elL_pushdatetime(L, (int64_t)t.tv_sec * MICROS + t.tv_nsec / 1000);
    return 1;
}

/* datetime.freeze(t): `now` gives t until datetime.freeze(nil); for specs. */
static int datetime_freeze(lua_State *L) {
    luaL_checkany(L, 1);
    if (!lua_isnil(L, 1)) {
        check_datetime(L, 1);
    }
    lua_settop(L, 1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &frozen);
    return 0;
}

/* datetime.fromUnix(seconds, micros = 0) */
static int datetime_from_unix(lua_State *L) {
    return push_later(L, check_seconds(L, 1), luaL_optinteger(L, 2, 0));
}

static int datetime_is(lua_State *L) {
    int64_t micros;
    lua_pushboolean(L, elL_testdatetime(L, 1, &micros));
    return 1;
}

int luaopen_eloquent_core_datetime(lua_State *L) {
    static const luaL_Reg functions[] = {{"now", datetime_now},
                                         {"freeze", datetime_freeze},
                                         {"fromUnix", datetime_from_unix},
                                         {"is", datetime_is},
                                         {NULL, NULL}};
    luaL_newlib(L, functions);
    lua_createtable(L, 0, 2);
    lua_pushcfunction(L, datetime_call);
    lua_setfield(L, -2, "__call");
    lua_pushliteral(L, "eloquent.datetime");
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
    return 1;
}

/* }====== */
