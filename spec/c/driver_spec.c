/* SPDX-License-Identifier: MIT
**
** driver_spec.c - the registry: names, options, and modules that are missing or broken.
** For those it copies itself to a scratch folder and asks the copy to load a driver.
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "driver.h"

/* {====== Names and options ====== */

static void names(void **state) {
    (void)state;
    static const char *const expected[] = {"sqlite", "pg", "mysql"};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        assert_string_equal(el_driver_name(i), expected[i]);
    }
    size_t n = 0;
    while (el_driver_name(n)) {
        n++;
    }
    assert_null(el_driver_name(n + 1));
}

static void unknown_names_list_the_known(void **state) {
    (void)state;
    static const char *const bad[] = {"postgres", "", "SQLITE", "../sqlite"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const el_driver *d = NULL;
        el_error e = {0};
        assert_int_equal(el_driver_load(&d, bad[i], &e), EL_FAIL);
        assert_null(d);
        assert_int_equal(e.kind, EL_ERR_UNSUPPORTED);
        assert_non_null(strstr(e.message, "sqlite, pg, mysql"));
    }
}

static void options(void **state) {
    (void)state;
    const el_driver *d;
    el_error e = {0};
    assert_int_equal(el_driver_load(&d, "sqlite", &e), EL_OK);
    el_option good[] = {{"path", "x"}, {"mode", ""}, {NULL, NULL}};
    assert_int_equal(el_driver_check_options(d, good, &e), EL_OK);
    assert_int_equal(el_driver_check_options(d, NULL, &e), EL_OK);
    assert_string_equal(el_option_get(good, "path"), "x");
    assert_null(el_option_get(good, "mode")); /* empty is absent */
    assert_null(el_option_get(good, "nothing"));
    assert_null(el_option_get(NULL, "path"));
    el_option bad[] = {{"path", "x"}, {"pasword", "hunter2"}, {NULL, NULL}};
    assert_int_equal(el_driver_check_options(d, bad, &e), EL_FAIL);
    assert_int_equal(e.kind, EL_ERR_MISUSE);
    assert_non_null(strstr(e.message, "'pasword'"));
    assert_non_null(strstr(e.message, "journal_mode"));
    assert_null(strstr(e.message, "hunter2"));
}

static void whole_numbers(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool good;
        int value;
    } cases[] = {
        {"0", true, 0},      {"5432", true, 5432}, {"65535", true, 65535},
        {"", true, 7},       {"65536", false, 0},  {"-1", false, 0},
        {"5432x", false, 0}, {" 1", false, 0},     {"+1", false, 0},
        {"1.5", false, 0},   {"x", false, 0},      {"99999999999999999999", false, 0},
        {"-", false, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        el_option opts[] = {{"port", cases[i].text}, {NULL, NULL}};
        el_error e = {0};
        int value = -7;
        int rc = el_option_int(&value, opts, "port", 0, 65535, 7, &e);
        assert_int_equal(rc, cases[i].good ? EL_OK : EL_FAIL);
        assert_int_equal(value, cases[i].good ? cases[i].value : -7);
        assert_int_equal(e.kind, cases[i].good ? EL_ERR_NONE : EL_ERR_MISUSE);
    }
    el_error e = {0};
    int value;
    assert_int_equal(el_option_int(&value, NULL, "port", 0, 9, 3, &e), EL_OK);
    assert_int_equal(value, 3);
}

/* }====== */

/* {====== Modules ====== */

static char folder[64], copy[128];

static void copy_file(const char *from, const char *to) {
    static char buffer[65536];
    int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0700);
    assert_true(in >= 0 && out >= 0);
    ssize_t n;
    while ((n = read(in, buffer, sizeof buffer)) > 0) {
        assert_int_equal(write(out, buffer, (size_t)n), n);
    }
    assert_int_equal(n, 0);
    close(in);
    close(out);
}

static int setup_copy(void **state) {
    (void)state;
    strcpy(folder, "/tmp/eloquent-spec-XXXXXX");
    if (!mkdtemp(folder)) {
        return 1;
    }
    char bin[80];
    snprintf(bin, sizeof bin, "%s/bin", folder);
    snprintf(copy, sizeof copy, "%s/driver_spec", bin);
    if (mkdir(bin, 0700) != 0) {
        return 1;
    }
    copy_file("/proc/self/exe", copy);
    return 0;
}

static int teardown_copy(void **state) {
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    return system(command);
}

/* What the copy says of loading a driver: "kind message", or "loaded". */
static void ask_copy(const char *driver, char *answer, size_t size) {
    char command[256];
    snprintf(command, sizeof command, "'%s' --load %s 2>&1", copy, driver);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t n = fread(answer, 1, size - 1, pipe);
    answer[n] = '\0';
    assert_int_equal(pclose(pipe), 0);
}

static int answer_load(const char *name) {
    const el_driver *d;
    el_error e = {0};
    if (el_driver_load(&d, name, &e) == EL_OK) {
        printf("loaded %s", d->name);
    } else {
        printf("%s %s", el_errkind_name(e.kind), e.message);
    }
    return 0;
}

/* A module by that name stands in a folder of the copy's; `from` NULL: garbage. */
static void place_module(const char *where, const char *from) {
    char path[128];
    snprintf(path, sizeof path, "%s%s", folder, where);
    for (char *p = path + strlen(folder) + 1; (p = strchr(p, '/')); p++) {
        *p = '\0';
        mkdir(path, 0700);
        *p = '/';
    }
    if (from) {
        copy_file(from, path);
        return;
    }
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("no module", file);
    fclose(file);
}

static void a_missing_module(void **state) {
    (void)state;
    char answer[1024];
    ask_copy("sqlite", answer, sizeof answer);
    assert_string_equal(answer, "loaded sqlite"); /* built in */
    ask_copy("pg", answer, sizeof answer);
    if (strncmp(answer, "loaded", 6) == 0) {
        skip(); /* this machine has eloquent installed where the build would put it */
    }
    assert_int_equal(strncmp(answer, "unsupported ", 12), 0);
    assert_non_null(strstr(answer, "eloquent_pg.so"));
}

static void a_module_that_cannot_be_loaded(void **state) {
    (void)state;
    char answer[1024];
    place_module("/bin/eloquent_pg.so", NULL);
    ask_copy("pg", answer, sizeof answer);
    assert_int_equal(strncmp(answer, "unsupported ", 12), 0);
    assert_non_null(strstr(answer, folder));
    assert_non_null(strstr(answer, "libpq5"));
    place_module("/lib/eloquent/eloquent_mysql.so", NULL); /* where it is installed */
    ask_copy("mysql", answer, sizeof answer);
    assert_int_equal(strncmp(answer, "unsupported ", 12), 0);
    assert_non_null(strstr(answer, "lib/eloquent"));
    assert_non_null(strstr(answer, "apt-get install lib"));
}

static void a_library_that_is_no_module(void **state) {
    (void)state;
    char answer[1024];
    Dl_info library;
    assert_true(dladdr((void *)(uintptr_t)_cmocka_run_group_tests, &library) != 0);
    place_module("/bin/eloquent_pg.so", library.dli_fname);
    ask_copy("pg", answer, sizeof answer);
    assert_int_equal(strncmp(answer, "unsupported ", 12), 0);
    assert_non_null(strstr(answer, "another version"));
}

/* }====== */

int main(int argc, char **argv) {
#define SPEC(f) cmocka_unit_test_setup_teardown(f, setup_copy, teardown_copy)
    if (argc == 3 && strcmp(argv[1], "--load") == 0) {
        return answer_load(argv[2]);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(unknown_names_list_the_known),
        cmocka_unit_test(options),
        cmocka_unit_test(whole_numbers),
        SPEC(a_missing_module),
        SPEC(a_module_that_cannot_be_loaded),
        SPEC(a_library_that_is_no_module),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
