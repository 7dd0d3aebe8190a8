/* SPDX-License-Identifier: MIT
**
** env_fuzz.c - the reader of `.env` files.  What it read is written down in double quotes
** and read again, which must give the same.
*/
#include "fuzz.h"

#include "env.h"

static const char *from_process(void *ud, const char *key) {
    (void)ud;
    return strcmp(key, "HOME") == 0 ? "/home/ada" : strcmp(key, "EMPTY") == 0 ? "" : NULL;
}

static bool is_key(const char *key) {
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789.";
    return key[0] != '\0' && !strchr("0123456789.", key[0]) &&
           strspn(key, letters) == strlen(key);
}

/* The text of one line that must be read as this pair. */
static size_t write_pair(char *out, const el_env_pair *pair) {
    size_t n = (size_t)sprintf(out, "%s=\"", pair->key);
    for (const char *p = pair->value; *p; p++) {
        if (*p == '\r') {
            out[n++] = '\\';
            out[n++] = 'r';
            continue;
        }
        if (strchr("\"\\$", *p)) {
            out[n++] = '\\';
        }
        out[n++] = *p;
    }
    out[n++] = '"';
    out[n++] = '\n';
    return n;
}

static void write_and_read(const el_env *env) {
    size_t room = 0, n = 0;
    for (size_t i = 0; i < env->count; i++) {
        room += strlen(env->pairs[i].key) + 2 * strlen(env->pairs[i].value) + 8;
    }
    char *text = malloc(room + 1);
    REQUIRE(text);
    for (size_t i = 0; i < env->count; i++) {
        n += write_pair(text + n, &env->pairs[i]);
    }
    REQUIRE(n <= room);
    el_env again;
    el_error err = {0};
    REQUIRE(el_env_parse(&again, text, n, ".env", from_process, NULL, &err) == EL_OK);
    REQUIRE(again.count == env->count);
    for (size_t i = 0; i < env->count; i++) {
        REQUIRE(strcmp(again.pairs[i].key, env->pairs[i].key) == 0);
        REQUIRE(strcmp(again.pairs[i].value, env->pairs[i].value) == 0);
    }
    el_env_release(&again);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_input in = {data, data + size};
    char *text = fuzz_bytes(&in, &size);
    el_env env;
    el_error err = {0};
    if (el_env_parse(&env, text, size, ".env", from_process, NULL, &err) == EL_OK) {
        REQUIRE(err.kind == EL_ERR_NONE);
        size_t total = 0;
        for (size_t i = 0; i < env.count; i++) {
            REQUIRE(is_key(env.pairs[i].key));
            REQUIRE(env.pairs[i].size >=
                    strlen(env.pairs[i].key) + strlen(env.pairs[i].value) + 2);
            total += strlen(env.pairs[i].value);
        }
        REQUIRE(total <= EL_ENV_TOTAL_MAX);
        if (total < 100000) {
            write_and_read(&env);
        }
    } else {
        REQUIRE(err.kind == EL_ERR_MISUSE && !env.pairs && env.count == 0);
        REQUIRE(strncmp(err.message, ".env", 4) == 0 && !strchr(err.message, '\n'));
    }
    el_env_release(&env);
    free(text);
    return 0;
}
