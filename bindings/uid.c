/* SPDX-License-Identifier: MIT
**
** uid.c - keys that a client makes: UUID version 7 (RFC 9562) and ULID, both 48 bits of
** milliseconds and then random bits, so that keys sort by the time they were made.
*/
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "core.h"

enum { BYTES = 16, ULID_DIGITS = 26, UUID_TEXT = 37 };

/* Time in the first six bytes, random bits in the others. */
static void fresh(lua_State *L, unsigned char id[BYTES]) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    if (getrandom(id, BYTES, 0) != BYTES) {
        elL_fail(L, EL_ERR_OTHER, "the system gave no random bytes for a key");
    }
    for (int i = 0; i < 6; i++) {
        id[i] = (unsigned char)(ms >> (40 - 8 * i));
    }
}

/* uid.uuid7() -> "xxxxxxxx-xxxx-7xxx-yxxx-xxxxxxxxxxxx" */
static int uuid7(lua_State *L) {
    unsigned char id[BYTES];
    char text[UUID_TEXT];
    fresh(L, id);
    id[6] = (unsigned char)((id[6] & 0x0F) | 0x70);
    id[8] = (unsigned char)((id[8] & 0x3F) | 0x80);
    size_t n = 0;
    for (int i = 0; i < BYTES; i++) {
        const char *dash = i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "";
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%02x", dash, id[i]);
    }
    lua_pushlstring(L, text, n);
    return 1;
}

/* uid.ulid() -> 26 digits of Crockford's base 32 */
static int ulid(lua_State *L) {
    static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    unsigned char id[BYTES];
    char text[ULID_DIGITS];
    fresh(L, id);
    for (int i = ULID_DIGITS - 1, bit = BYTES * 8; i >= 0; i--) {
        unsigned value = 0; /* the five bits that end at `bit`, the first digit has three */
        for (int k = 0; k < 5 && bit > 0; k++) {
            bit--;
            value |= (unsigned)(id[bit / 8] >> (7 - bit % 8) & 1) << k;
        }
        text[i] = digits[value];
    }
    lua_pushlstring(L, text, sizeof text);
    return 1;
}

int luaopen_eloquent_core_uid(lua_State *L) {
    static const luaL_Reg functions[] = {{"uuid7", uuid7}, {"ulid", ulid}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
