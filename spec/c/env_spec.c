/* SPDX-License-Identifier: MIT
**
** env_spec.c - `.env` files: the grammar, expansion, refusals with file and line, the
** step into the process environment, and that no text breaks the parser.
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "env.h"
#include "failing_malloc.h"

/* The process environment of the parser's tests. */
static const char *get(void *ud, const char *key) {
    (void)ud;
    return strcmp(key, "HOME") == 0 ? "/home/me" : strcmp(key, "EMPTY") == 0 ? "" : NULL;
}

static int parse(el_env *env, const char *text, el_error *err) {
    *err = (el_error){0};
    return el_env_parse(env, text, strlen(text), "test.env", get, NULL, err);
}

/* `text` must give exactly the pair A=value. */
static void check_value(const char *text, const char *value) {
    el_env env;
    el_error err;
    if (parse(&env, text, &err) != EL_OK) {
        fail_msg("%s: %s", text, err.message);
    }
    if (env.count != 1 || strcmp(env.pairs[0].key, "A") != 0 ||
        strcmp(env.pairs[0].value, value) != 0) {
        fail_msg("%s: %zu pairs, value <%s>", text, env.count,
                 env.count ? env.pairs[0].value : "");
    }
    el_env_release(&env);
}

/* The value of the last line of `text`. */
static void check_last(const char *text, const char *value) {
    el_env env;
    el_error err;
    if (parse(&env, text, &err) != EL_OK) {
        fail_msg("%s: %s", text, err.message);
    }
    assert_true(env.count > 0);
    assert_string_equal(env.pairs[env.count - 1].value, value);
    el_env_release(&env);
}

static void check_refused(const char *text, const char *message) {
    el_env env;
    el_error err;
    if (parse(&env, text, &err) != EL_FAIL) {
        fail_msg("accepted: %s", text);
    }
    if (strncmp(err.message, message, strlen(message)) != 0) {
        fail_msg("%s: %s", text, err.message);
    }
    assert_int_equal(err.kind, EL_ERR_MISUSE);
    assert_null(strstr(err.message, "secret"));
    assert_null(env.pairs);
    assert_int_equal(env.count, 0);
}

static void reads_plain_values(void **state) {
    (void)state;
    static const char *const list[][2] = {
        {"A=b", "b"},
        {"A=b\n", "b"},
        {"A=b\r\n", "b"},
        {"A=b\r", "b"},
        {"\xEF\xBB\xBF"
         "A=b",
         "b"},
        {"  A  =  b c  ", "b c"},
        {"\tA\t=\tb\t", "b"},
        {"export A=b", "b"},
        {"export\t A = b", "b"},
        {"A=", ""},
        {"A=\r\n", ""},
        {"A= # comment", ""},
        {"A=b # comment", "b"},
        {"A=b\t# comment # more", "b"},
        {"A=b#c", "b#c"},
        {"A=#fff", "#fff"},
        {"A=b=c==", "b=c=="},
        {"A=a'b\"c", "a'b\"c"},
        {"A=C:\\new\\table", "C:\\new\\table"},
        {"A=$B $$ $ $(x)", "$B $$ $ $(x)"},
        {"A=`x`", "`x`"},
        {"# c\n\n   \n \t# d\r\nA=b", "b"},
        {"A=\xC3\xA4 \xE2\x82\xAC", "\xC3\xA4 \xE2\x82\xAC"},
        {"A=a\rb", "a\rb"},
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        check_value(list[i][0], list[i][1]);
    }
}

static void reads_quoted_values(void **state) {
    (void)state;
    static const char *const list[][2] = {
        {"A=''", ""},
        {"A=\"\"", ""},
        {"A='a b' # c", "a b"},
        {"A='a b'#c", "a b"},
        {"A = \" a # b \" ", " a # b "},
        {"A='a\\n${HOME}\"$'", "a\\n${HOME}\"$"},
        {"A=\"a\\nb\\tc\\rd\\\"e\\\\f\\$g\"", "a\nb\tc\rd\"e\\f$g"},
        {"A=\"\\d \\' \\ \"", "\\d \\' \\ "},
        {"A=\"\\${HOME}\"", "${HOME}"},
        {"A=\"it's\"", "it's"},
        {"A='a\nb'\n", "a\nb"},
        {"A=\"a\nb\"\n", "a\nb"},
        {"A='a\r\nb'\r\n", "a\nb"},
        {"A=\"a\r\n\r\nb\"\r\n", "a\n\nb"},
        {"A=\"a\rb\"", "a\rb"},
        {"A='# no comment\n=x' # comment", "# no comment\n=x"},
        {"A=\"\\\\\"", "\\"},
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        check_value(list[i][0], list[i][1]);
    }
}

static void expands_variables(void **state) {
    (void)state;
    static const char *const list[][2] = {
        {"A=${HOME}/x", "/home/me/x"},
        {"A=\"${HOME}/x\"", "/home/me/x"},
        {"A='${HOME}'", "${HOME}"},
        {"B=1\nA=${B}${B}", "11"},
        {"A=<${NOT_SET}>", "<>"},
        {"A=${EMPTY}", ""},
        {"A=${NOT_SET:-b}", "b"},
        {"A=${EMPTY:-b}", "b"},
        {"A=${HOME:-b}c", "/home/mec"},
        {"A=${NOT_SET:-}", ""},
        {"A=${NOT_SET:-a b # c}", "a b # c"},
        {"A=${NOT_SET:-${EMPTY:-${HOME}}}!", "/home/me!"},
        {"A=${HOME:-${NOT_SET:-x}y}z", "/home/mez"},
        {"A=\"${NOT_SET:-a\\nb\\\"}\"", "a\nb\""},
        {"A=\"${NOT_SET:-a\nb}\"", "a\nb"},
        {"HOME=/other\nA=${HOME}", "/home/me"}, /* the process environment wins */
        {"B=1\nB=2\nA=${B}", "2"},
        {"B='${HOME}'\nA=${B}", "${HOME}"}, /* not expanded again */
        {"A=1\nA=${A}2", "12"},
        {"b.c_1=x\nA=${b.c_1}", "x"},
        {"B=' x '\nA=${B} ", " x "},
        {"A=x ${EMPTY} # c", "x "},
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        check_last(list[i][0], list[i][1]);
    }
}

static void reads_keys(void **state) {
    (void)state;
    el_env env;
    el_error err;
    assert_int_equal(
        parse(&env, "a=1\n_B.c2=2\nexport=3\nexport export=4\nexport =5\n", &err), EL_OK);
    static const char *const keys[] = {"a", "_B.c2", "export", "export", "export"};
    assert_int_equal(env.count, 5);
    for (size_t i = 0; i < env.count; i++) {
        assert_string_equal(env.pairs[i].key, keys[i]);
        assert_int_equal(env.pairs[i].value[0], '1' + (int)i);
    }
    el_env_release(&env);
    assert_int_equal(parse(&env, "", &err), EL_OK);
    assert_int_equal(env.count, 0);
    el_env_release(&env);
}

static void refuses_malformed_lines(void **state) {
    (void)state;
    static const char *const list[][2] = {
        {"secret", "test.env, line 1: a line without =; write KEY=value"},
        {"A=1\n\nsecret\n", "test.env, line 3: a line without ="},
        {"export secret", "test.env, line 1: a line without ="},
        {"A secret", "test.env, line 1: a line without ="},
        {"=secret", "test.env, line 1: a name that is none"},
        {"1A=secret", "test.env, line 1: a name that is none"},
        {".A=secret", "test.env, line 1: a name that is none"},
        {"A-B=secret", "test.env, line 1: a name that is none"},
        {"A B=secret", "test.env, line 1: a name that is none"},
        {"export 'A'=secret", "test.env, line 1: a name that is none"},
        {"A='secret", "test.env, line 1: a ' that is not closed"},
        {"B=1\nA=\"secret\n\n", "test.env, line 2: a \" that is not closed"},
        {"A=\"secret\\\"", "test.env, line 1: a \" that is not closed"},
        {"A='secret' secret", "test.env, line 1: text after the closing quote"},
        {"A=\"se\ncret\"secret", "test.env, line 2: text after the closing quote"},
        {"A='it''s secret'", "test.env, line 1: text after the closing quote"},
        {"A=secret${", "test.env, line 1: a ${ that is no variable"},
        {"A=secret${}", "test.env, line 1: a ${ that is no variable"},
        {"A=secret${B", "test.env, line 1: a ${ that is no variable"},
        {"A=secret${B-x}", "test.env, line 1: a ${ that is no variable"},
        {"A=secret${B:?x}", "test.env, line 1: a ${ that is no variable"},
        {"A=secret${B C}", "test.env, line 1: a ${ that is no variable"},
        {"A=secret${1}", "test.env, line 1: a ${ that is no variable"},
        {"A=${B:-secret\nC=}", "test.env, line 1: a ${ that is not closed"},
        {"A=\"x\n${B:-secret\"", "test.env, line 2: a ${ that is not closed"},
        {"A=${B:-${B:-${B:-${B:-${B:-${B:-${B:-${B:-${B:-}}}}}}}}}",
         "test.env, line 1: more than 8 levels of ${"},
        {"A='x\ny\nz'\nsecret", "test.env, line 4: a line without ="},
        {"A=\"x\r\ny\"\r\nsecret\r\n", "test.env, line 3: a line without ="},
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        check_refused(list[i][0], list[i][1]);
    }
}

static void refuses_nul(void **state) {
    (void)state;
    static const char text[] = "A=1\nB=se\0cret";
    el_env env;
    el_error err = {0};
    assert_int_equal(el_env_parse(&env, text, sizeof text - 1, "f", NULL, NULL, &err),
                     EL_FAIL);
    assert_non_null(strstr(err.message, "f, line 2: a NUL byte"));
}

static void refuses_too_much(void **state) {
    (void)state;
    size_t n = EL_ENV_FILE_MAX;
    char *text = malloc(n + 1);
    assert_non_null(text);
    memset(text, '#', n + 1);
    el_env env;
    el_error err = {0};
    assert_int_equal(el_env_parse(&env, text, n, "f", NULL, NULL, &err), EL_OK);
    el_env_release(&env);
    assert_int_equal(el_env_parse(&env, text, n + 1, "f", NULL, NULL, &err), EL_FAIL);
    assert_non_null(strstr(err.message, "f is longer than 1 MiB"));
    free(text);
    check_refused(
        "A=xxxxxxxxxxxxxxxx\nB=${A}${A}${A}${A}${A}${A}${A}${A}\n"
        "C=${B}${B}${B}${B}${B}${B}${B}${B}\nD=${C}${C}${C}${C}${C}${C}${C}${C}\n"
        "E=${D}${D}${D}${D}${D}${D}${D}${D}\nF=${E}${E}${E}${E}${E}${E}${E}${E}\n"
        "G=${F}${F}${F}${F}${F}${F}${F}${F}\n",
        "test.env, line 7: the values become longer than 4 MiB");
}

static void bounds_the_work_of_dropped_defaults(void **state) {
    (void)state;
    enum { COUNT = 40000 };
    char *text = malloc(COUNT * 20 + 70000);
    assert_non_null(text);
    size_t n = (size_t)sprintf(text, "B=");
    memset(text + n, 'x', 60000);
    n += 60000;
    n += (size_t)sprintf(text + n, "\nY=1\n");
    for (int i = 0; i < COUNT; i++) {
        n += (size_t)sprintf(text + n, "A=${Y:-${B}}\n");
    }
    el_env env;
    el_error err = {0};
    clock_t start = clock();
    assert_int_equal(el_env_parse(&env, text, n, "f", NULL, NULL, &err), EL_FAIL);
    assert_true(clock() - start < 5 * CLOCKS_PER_SEC);
    assert_non_null(strstr(err.message, "the values become longer"));
    free(text);
}

/* {====== Files and the process ====== */

static char folder[] = "/tmp/env_spec.XXXXXX";

static int make_folder(void **state) {
    (void)state;
    return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int remove_folder(void **state) {
    (void)state;
    unlink("file");
    return chdir("/") == 0 && rmdir(folder) == 0 ? 0 : -1;
}

static void write_file(const char *text) {
    FILE *f = fopen("file", "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void sets_what_is_not_set(void **state) {
    (void)state;
    setenv("SPEC_KEPT", "process", 1);
    setenv("SPEC_EMPTY", "", 1);
    unsetenv("SPEC_NEW");
    unsetenv("SPEC_TWICE");
    write_file("SPEC_KEPT=file\nSPEC_EMPTY=file\nSPEC_NEW=<${SPEC_KEPT}>\nSPEC_TWICE=1\n"
               "SPEC_TWICE=2");
    bool found = false;
    el_error err = {0};
    assert_int_equal(el_env_load("file", &found, &err), EL_OK);
    assert_true(found);
    assert_string_equal(getenv("SPEC_KEPT"), "process");
    assert_string_equal(getenv("SPEC_EMPTY"), "");
    assert_string_equal(getenv("SPEC_NEW"), "<process>");
    assert_string_equal(getenv("SPEC_TWICE"), "2");
}

static void sets_nothing_when_a_line_is_malformed(void **state) {
    (void)state;
    unsetenv("SPEC_OTHER");
    write_file("SPEC_OTHER=1\nmalformed\n");
    bool found;
    el_error err = {0};
    assert_int_equal(el_env_load("file", &found, &err), EL_FAIL);
    assert_non_null(strstr(err.message, "file, line 2: a line without ="));
    assert_null(getenv("SPEC_OTHER"));
}

static void a_missing_file_is_fine(void **state) {
    (void)state;
    bool found = true;
    el_error err = {0};
    assert_int_equal(el_env_load("missing", &found, &err), EL_OK);
    assert_false(found);
    write_file("");
    assert_int_equal(el_env_load("file", &found, &err), EL_OK);
    assert_true(found);
}

static void what_cannot_be_read_is_an_error(void **state) {
    (void)state;
    bool found;
    el_error err = {0};
    assert_int_equal(el_env_load(folder, &found, &err), EL_FAIL);
    assert_non_null(strstr(err.message, "it is a folder"));
    assert_false(found);
    if (geteuid() != 0) { /* root may read everything */
        write_file("A=1");
        chmod("file", 0);
        err = (el_error){0};
        assert_int_equal(el_env_load("file", &found, &err), EL_FAIL);
        assert_non_null(strstr(err.message, "cannot read file: Permission denied"));
    }
}

static void a_long_file_is_an_error(void **state) {
    (void)state;
    FILE *f = fopen("file", "w");
    assert_non_null(f);
    for (int i = 0; i <= EL_ENV_FILE_MAX; i++) {
        putc('\n', f);
    }
    fclose(f);
    bool found;
    el_error err = {0};
    assert_int_equal(el_env_load("file", &found, &err), EL_FAIL);
    assert_non_null(strstr(err.message, "file is longer than 1 MiB"));
}

/* }====== */

static void survives_a_failing_allocator(void **state) {
    (void)state;
    static const char text[] =
        "A=1\nB=${A:-x}\nC='y'\nD=\"${LONG:-z}\"\n"
        "E1=1\nE2=1\nE3=1\nE4=1\nE5=1\nE6=1\nE7=1\nE8=1\nE9=1\nE10=1\nE11=1\nE12=1\n"
        "F=${"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "a"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "aaaaaaa}";
    int rc = EL_FAIL;
    long n = 0;
    for (; rc != EL_OK; n++) {
        assert_true(n < 100);
        el_env env;
        el_error err;
        starve_after(n);
        rc = parse(&env, text, &err);
        feed();
        if (rc != EL_OK) {
            assert_int_equal(err.kind, EL_ERR_NOMEM);
            assert_null(env.pairs);
        }
        el_env_release(&env);
    }
    assert_true(n > 20);
    write_file("SPEC_X=1");
    bool found;
    for (rc = EL_FAIL, n = 0; rc != EL_OK; n++) {
        el_error err = {0};
        starve_after(n);
        rc = el_env_load("file", &found, &err);
        feed();
        assert_true(rc == EL_OK || err.kind == EL_ERR_NOMEM);
    }
    assert_true(n > 3);
}

static void survives_random_text(void **state) {
    (void)state;
    static const char special[] = "'\"${}:-=#\\\n\r ABC_1.export";
    enum { LONG = 1 << 20, ROUNDS = 200000 };
    char *text = malloc(LONG);
    assert_non_null(text);
    uint32_t seed = 1;
    size_t accepted = 0;
    clock_t start = clock();
    for (int round = 0; round < ROUNDS; round++) {
        bool any = round < 2;
        size_t n = round < 4 ? LONG : (size_t)round % 48;
        for (size_t i = 0; i < n; i++) {
            seed = seed * 1664525u + 1013904223u;
            unsigned char byte = (unsigned char)(seed >> 24);
            text[i] =
                any ? (char)(byte ? byte : 1) : special[byte % (sizeof special - 1)];
        }
        if (round == 3) { /* a long valid file */
            for (size_t i = 0; i + 8 <= n; i += 8) {
                memcpy(text + i, "A=${A}1\n", 8);
            }
        }
        char *exact = malloc(n); /* a read past its end is seen by the sanitizer */
        assert_true(exact || n == 0);
        memcpy(exact ? exact : text, text, n);
        el_env env;
        el_error err = {0};
        if (el_env_parse(&env, exact, n, "f", NULL, NULL, &err) == EL_OK) {
            accepted++;
        } else {
            assert_true(err.message[0] != '\0');
        }
        el_env_release(&env);
        free(exact);
    }
    assert_true(accepted > 1000);
    assert_true(clock() - start < 20 * CLOCKS_PER_SEC);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_plain_values),
        cmocka_unit_test(reads_quoted_values),
        cmocka_unit_test(expands_variables),
        cmocka_unit_test(reads_keys),
        cmocka_unit_test(refuses_malformed_lines),
        cmocka_unit_test(refuses_nul),
        cmocka_unit_test(refuses_too_much),
        cmocka_unit_test(bounds_the_work_of_dropped_defaults),
        cmocka_unit_test(sets_what_is_not_set),
        cmocka_unit_test(sets_nothing_when_a_line_is_malformed),
        cmocka_unit_test(a_missing_file_is_fine),
        cmocka_unit_test(what_cannot_be_read_is_an_error),
        cmocka_unit_test(a_long_file_is_an_error),
        cmocka_unit_test(survives_a_failing_allocator),
        cmocka_unit_test(survives_random_text),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
