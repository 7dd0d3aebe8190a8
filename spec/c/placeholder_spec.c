/* SPDX-License-Identifier: MIT
**
** placeholder_spec.c - placeholders of SQL text: what is one, what only looks like one,
** what is refused, and that no text breaks the scanner.
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "failing_malloc.h"
#include "placeholder.h"

/* {====== Tables ====== */

/* `native` NULL: the text stays as it is. */
typedef struct example {
    el_dialect dialect;
    const char *sql, *native, *order; /* order: "1 2" or "a b a" */
} example;

#define SQLITE EL_DIALECT_SQLITE
#define PG EL_DIALECT_PG
#define MYSQL EL_DIALECT_MYSQL

static void write_order(char *out, size_t size, const el_placeholders *p) {
    size_t n = 0;
    out[0] = '\0';
    for (size_t i = 0; i < p->count && n < size; i++) {
        const el_placeholder *e = &p->order[i];
        const char *space = i > 0 ? " " : "";
        n += (size_t)(e->name ? snprintf(out + n, size - n, "%s%.*s", space,
                                         (int)e->namelen, e->name)
                              : snprintf(out + n, size - n, "%s%zu", space, e->position));
    }
}

static void check_example(const example *ex) {
    el_placeholders p;
    el_error err = {0};
    char order[256];
    if (el_placeholder_scan(&p, ex->sql, strlen(ex->sql), ex->dialect, &err) != EL_OK) {
        fail_msg("%s: %s", ex->sql, err.message);
    }
    write_order(order, sizeof order, &p);
    if (strcmp(p.sql, ex->native ? ex->native : ex->sql) != 0 ||
        strcmp(order, ex->order) != 0 || strlen(p.sql) != p.len) {
        fail_msg("dialect %d: %s\n  became %s [%s]", (int)ex->dialect, ex->sql, p.sql,
                 order);
    }
    el_placeholder_release(&p);
}

static void check_examples(const example *list, size_t n) {
    for (size_t i = 0; i < n; i++) {
        check_example(&list[i]);
    }
}

#define CHECK_ALL(list) check_examples(list, sizeof list / sizeof *list)

/* The same for all three dialects; native text of PostgreSQL, and of the others. */
static void check_everywhere(const char *sql, const char *pg, const char *others,
                             const char *pg_order, const char *order) {
    check_example(&(example){PG, sql, pg, pg_order});
    check_example(&(example){SQLITE, sql, others, order});
    check_example(&(example){MYSQL, sql, others, order});
}

/* }====== */

static void rewrites_placeholders(void **state) {
    (void)state;
    check_everywhere("", "", "", "", "");
    check_everywhere("select 1", "select 1", "select 1", "", "");
    check_everywhere("?", "$1", "?", "1", "1");
    check_everywhere("a = ? and b in (?,?)", "a = $1 and b in ($2,$3)", NULL, "1 2 3",
                     "1 2 3");
    check_everywhere(":a", "$1", "?", "a", "a");
    check_everywhere("x=:a or y=:b or z=:a", "x=$1 or y=$2 or z=$1", "x=? or y=? or z=?",
                     "a b", "a b a");
    check_everywhere(":a:b", "$1 $2", "??", "a b", "a b");
    check_everywhere(":_x1, :X1,:x1", "$1, $2,$3", "?, ?,?", "_x1 X1 x1", "_x1 X1 x1");
    check_everywhere("limit ?offset ?", "limit $1 offset $2", NULL, "1 2", "1 2");
    check_everywhere("in?", "in $1", NULL, "1", "1");
    check_everywhere("1?", "1 $1", NULL, "1", "1");
    check_everywhere("(?)||?", "($1)||$2", NULL, "1 2", "1 2");
    check_everywhere(": a :+1 :", ": a :+1 :", NULL, "", "");
    check_everywhere("\xC3\xA4?", "\xC3\xA4 $1", NULL, "1", "1");
}

static void counts_beyond_nine(void **state) {
    (void)state;
    check_example(&(example){PG, "?,?,?,?,?,?,?,?,?,?,?",
                             "$1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11",
                             "1 2 3 4 5 6 7 8 9 10 11"});
}

static void leaves_strings_and_identifiers(void **state) {
    (void)state;
    check_everywhere("'?' ? ':a'", "'?' $1 ':a'", NULL, "1", "1");
    check_everywhere("'it''s ?' ?", "'it''s ?' $1", NULL, "1", "1");
    check_everywhere("'' ?", "'' $1", NULL, "1", "1");
    check_everywhere("'--' ? '/*' ?", "'--' $1 '/*' $2", NULL, "1 2", "1 2");
    check_everywhere("\"a?\"\"b:c\" ?", "\"a?\"\"b:c\" $1", NULL, "1", "1");
    check_everywhere("'\n' ?", "'\n' $1", NULL, "1", "1");
    check_everywhere("'$.a ?' ?", "'$.a ?' $1", NULL, "1", "1");
    static const example list[] = {
        {SQLITE, "`a?``b` ?", NULL, "1"},
        {MYSQL, "`a?``b` ?", NULL, "1"},
        {MYSQL, "`a\\` ?", NULL, "1"},
        {SQLITE, "[a?''b] ?", NULL, "1"},
        {SQLITE, "select [a:b] from [t] where x=:c", "select [a:b] from [t] where x=?",
         "c"},
        {SQLITE, "'\\' ?", NULL, "1"},
        {PG, "'\\' ?", "'\\' $1", "1"},
        {PG, "\"\\\" ?", "\"\\\" $1", "1"},
        {MYSQL, "'\\'?' ?", NULL, "1"},
        {MYSQL, "\"\\\"?\" ?", NULL, "1"},
        {MYSQL, "'\\\\' ?", NULL, "1"},
        {MYSQL, "_utf8mb4'?' ? x'00' N'?'", NULL, "1"},
        {PG, "E'\\'?' ?", "E'\\'?' $1", "1"},
        {PG, "e'\\'?' ?", "e'\\'?' $1", "1"},
        {PG, "E'a''?\\\\' ?", "E'a''?\\\\' $1", "1"},
        {PG, "name'\\' ?", "name'\\' $1", "1"}, /* `e` is the end of a word here */
        {PG, "1e'\\' ?", "1e'\\' $1", "1"},
        {PG, "U&'\\' ? B'1' X'1F' N'\\'", "U&'\\' $1 B'1' X'1F' N'\\'", "1"},
        {PG, "E'a'\n 'b\\'?' ?", "E'a'\n 'b\\'?' $1", "1"},
        {PG, "E'a' -- it's\n 'b\\'?' ?", "E'a' -- it's\n 'b\\'?' $1", "1"},
        {PG, "'a'\n'b\\' ?", "'a'\n'b\\' $1", "1"},
        {PG, "E'a' 'b\\' ?", "E'a' 'b\\' $1", "1"}, /* no line break: another string */
    };
    CHECK_ALL(list);
}

static void leaves_comments(void **state) {
    (void)state;
    check_everywhere("-- ? 'a\n?", "-- ? 'a\n$1", NULL, "1", "1");
    check_everywhere("/* ? ' \" :a */ ?", "/* ? ' \" :a */ $1", NULL, "1", "1");
    check_everywhere("? -- ?", "$1 -- ?", NULL, "1", "1");
    check_everywhere("?--", "$1--", NULL, "1", "1");
    check_everywhere("/**/?/***/", "/**/$1/***/", NULL, "1", "1");
    check_everywhere("a - ? / ? * ?", "a - $1 / $2 * $3", NULL, "1 2 3", "1 2 3");
    static const example list[] = {
        {PG, "/* a /* ? */ ? */ ?", "/* a /* ? */ ? */ $1", "1"},
        {SQLITE, "/* a /* ? */ ?", NULL, "1"},
        {MYSQL, "/* a /* ? */ ?", NULL, "1"},
        {PG, "--?\r?", "--?\r$1", "1"},
        {SQLITE, "--?\r?\n?", NULL, "1"},
        {MYSQL, "a--?", NULL, "1"}, /* minus minus */
        {SQLITE, "a--?", NULL, ""},
        {MYSQL, "--\t?\n?", NULL, "1"},
        {MYSQL, "# ? '\n?", NULL, "1"},
        {PG, "a # ?", "a # $1", "1"},
        {MYSQL, "/*!40101 ? */ ?", NULL, "1 2"},
        {MYSQL, "/*M!100100 :a */ :b", "/*M!100100 ? */ ?", "a b"},
        {MYSQL, "/*! '*/' /* ? */ ? */ ?", NULL, "1 2"},
        {MYSQL, "/*+ ? */ ?", NULL, "1"},
        {SQLITE, "/*! ? */ ?", NULL, "1"},
    };
    CHECK_ALL(list);
}

static void knows_casts_slices_and_assignments(void **state) {
    (void)state;
    static const example list[] = {
        {PG, "a::text = :a", "a::text = $1", "a"},
        {PG, "?::int[]", "$1::int[]", "1"},
        {PG, ":a::int", "$1::int", "a"},
        {PG, "a[1:2] = ?", "a[1:2] = $1", "1"},
        {PG, "x :1 or a[i:\xC3\xA4]", NULL, ""},
        {MYSQL, "x :1 or :$", NULL, ""},
        {PG, "a[i:j] = :v", "a[i:j] = $1", "v"},
        {PG, "a[f(1):j], b[x[1]:j], c[\"i\":j]", NULL, ""},
        {PG, "a[?:j]", "a[$1:j]", "1"},
        {PG, "a[?:?]", "a[$1:$2]", "1 2"},
        {PG, "a[:lo : :hi]", "a[$1 : $2]", "lo hi"},
        {PG, "array[:a,:b, :c]", "array[$1,$2, $3]", "a b c"},
        {PG, "array[x like :a]", "array[x like $1]", "a"},
        {PG, "a[1] = :v and b]:w", "a[1] = $1 and b]$2", "v w"},
        {PG, "a[i/**/:v]", "a[i/**/$1]", "v"},
        {PG, "f(a := 1, b => :b)", "f(a := 1, b => $1)", "b"},
        {MYSQL, "set @a:=?, @@session.x = ?", NULL, "1 2"},
        {MYSQL, "select @`a?`, @'b?', @a:=:v", "select @`a?`, @'b?', @a:=?", "v"},
        {MYSQL, "a$? and $a = ?", NULL, "1 2"},
    };
    CHECK_ALL(list);
}

static void leaves_dollar_quotes(void **state) {
    (void)state;
    static const example list[] = {
        {PG, "$$ ? ' $$ ?", "$$ ? ' $$ $1", "1"},
        {PG, "$a$ $$ ? $b$ $a$ ?", "$a$ $$ ? $b$ $a$ $1", "1"},
        {PG, "$$$$?", "$$$$ $1", "1"},
        {PG, "$\xC3\xA4$ ? $\xC3\xA4$ ?", "$\xC3\xA4$ ? $\xC3\xA4$ $1", "1"},
        {PG, "a$b$ ?", "a$b$ $1", "1"}, /* part of the identifier */
        {PG, "$a ?", "$a $1", "1"},
        {PG, "do $do$ begin perform x where a ? 'b'; end $do$", NULL, ""},
        {MYSQL, "$$ ? $$", NULL, "1"},
        {SQLITE, "a$b ? ?", NULL, "1 2"},
    };
    CHECK_ALL(list);
}

static void knows_operators_of_jsonb(void **state) {
    (void)state;
    static const example list[] = {
        {PG, "data ?? 'a'", "data ? 'a'", ""},
        {PG, "data ?? ?", "data ? $1", "1"},
        {PG, "data ???", "data ?$1", "1"},
        {PG, "data ??| ?", "data ?| $1", "1"},
        {PG, "data ??& :k", "data ?& $1", "k"},
        {PG, "data ?| array['a'] and x = ?", "data ?| array['a'] and x = $1", "1"},
        {PG, "data ?& ?", "data ?& $1", "1"},
        {PG, "data?|?", "data?|$1", "1"},
        {PG, "data @? '$.a' and x = ?", "data @? '$.a' and x = $1", "1"},
        {PG, "data @?? '$.a'", "data @? '$.a'", ""},
        {PG, "data @@ ? and t @@? and a <@?", "data @@ $1 and t @@$2 and a <@$3",
         "1 2 3"},
        {PG, "a @> ? and b @>?", "a @> $1 and b @>$2", "1 2"},
        {PG, "?||'x'||?", "$1||'x'||$2", "1 2"},
        {PG, "?&&tags", "$1&&tags", "1"},
        {PG, "a=?|3", "a=$1|3", "1"},
        {PG, "data->?, data->>?, data#>?", "data->$1, data->>$2, data#>$3", "1 2 3"},
        {PG, "a ?\?- b, a ??|| b", "a ?- b, a ?|| b", ""},
        {PG, "?-1", "$1-1", "1"},
        {PG, "/* x */?| array['a']", NULL, ""},
        {SQLITE, "?|1, ?&1", NULL, "1 2"},
        {MYSQL, "?|1, ?&1", NULL, "1 2"},
    };
    CHECK_ALL(list);
}

static void leaves_numbered_ones(void **state) {
    (void)state;
    static const example list[] = {
        {PG, "$1", NULL, "1"},
        {PG, "$2, $1, $2", NULL, "1 2"},
        {PG, "$1::int, $10", NULL, "1 2 3 4 5 6 7 8 9 10"},
        {PG, "data ?? $1", "data ? $1", "1"},
        {PG, "a$1", NULL, ""},
        {PG, "'$1'", NULL, ""},
        {SQLITE, "?2, ?1", NULL, "1 2"},
    };
    CHECK_ALL(list);
}

static void tells_the_style(void **state) {
    (void)state;
    static const struct {
        const char *sql;
        el_placeholder_style style;
    } list[] = {{"1", EL_STYLE_NONE},
                {"a ?? b", EL_STYLE_NONE},
                {"?", EL_STYLE_POSITIONAL},
                {":a", EL_STYLE_NAMED},
                {"$1", EL_STYLE_NUMBERED}};
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        el_placeholders p;
        el_error err = {0};
        assert_int_equal(
            el_placeholder_scan(&p, list[i].sql, strlen(list[i].sql), PG, &err), EL_OK);
        assert_int_equal(p.style, list[i].style);
        el_placeholder_release(&p);
    }
}

static void refuses_what_cannot_be_right(void **state) {
    (void)state;
    static const struct {
        el_dialect dialect;
        const char *sql;
        el_errkind kind;
        const char *message; /* its beginning */
    } list[] = {
        {PG, "? and :a", EL_ERR_MISUSE,
         "another kind of placeholder at line 1, column 7 of the SQL: keep to"},
        {SQLITE, ":a and ?", EL_ERR_MISUSE,
         "another kind of placeholder at line 1, column 8"},
        {PG, "$1 and ?", EL_ERR_MISUSE,
         "another kind of placeholder at line 1, column 8"},
        {PG, ":a\n, $1", EL_ERR_MISUSE,
         "another kind of placeholder at line 2, column 3"},
        {SQLITE, "?1, ?", EL_ERR_MISUSE,
         "another kind of placeholder at line 1, column 5"},
        {PG, "select 'abc", EL_ERR_SYNTAX, "a ' that is not closed at line 1, column 8"},
        {PG, "\xC3\xA4\xC3\xB6\n\xC3\xBC \"a", EL_ERR_SYNTAX,
         "a \" that is not closed at line 2, column 3"},
        {MYSQL, "'a\\'", EL_ERR_SYNTAX, "a ' that is not closed at line 1, column 1"},
        {MYSQL, "'\\", EL_ERR_SYNTAX, "a ' that is not closed"},
        {PG, "E'a\\'", EL_ERR_SYNTAX, "a ' that is not closed at line 1, column 2"},
        {MYSQL, "`a", EL_ERR_SYNTAX, "a ` that is not closed"},
        {SQLITE, "1 [a", EL_ERR_SYNTAX, "a [ that is not closed at line 1, column 3"},
        {PG, "1 /* a", EL_ERR_SYNTAX, "a comment that is not closed at line 1, column 3"},
        {PG, "/* /* */", EL_ERR_SYNTAX,
         "a comment that is not closed at line 1, column 1"},
        {SQLITE, "/*/", EL_ERR_SYNTAX, "a comment that is not closed"},
        {MYSQL, "1 /*! ?", EL_ERR_SYNTAX,
         "a comment that is not closed at line 1, column 3"},
        {PG, "$$ a", EL_ERR_SYNTAX,
         "a dollar quote that is not closed at line 1, column 1"},
        {PG, "$a$ a $A$", EL_ERR_SYNTAX, "a dollar quote that is not closed"},
        {PG, "$0", EL_ERR_MISUSE, "a placeholder's number out of range"},
        {PG, "$65536", EL_ERR_MISUSE, "a placeholder's number out of range"},
        {PG, "$18446744073709551617", EL_ERR_MISUSE, "a placeholder's number out of"},
        {PG, "$99999999999999999999999", EL_ERR_MISUSE, "a placeholder's number out of"},
        {SQLITE, "a ?? b", EL_ERR_MISUSE, "?? at line 1, column 3"},
        {MYSQL, "a ?? b", EL_ERR_MISUSE, "?? at line 1, column 3"},
        {PG, "a = ?1", EL_ERR_MISUSE, "a number after ? at line 1, column 5"},
        {MYSQL, "a = ?1", EL_ERR_MISUSE, "a number after ? at line 1, column 5"},
        {SQLITE, "@a", EL_ERR_MISUSE, "a placeholder with @ at line 1, column 1"},
        {SQLITE, "1 = $a", EL_ERR_MISUSE, "a placeholder with $ at line 1, column 5"},
        {SQLITE, "x :1", EL_ERR_MISUSE,
         "a placeholder with a strange name at line 1, column 3"},
        {SQLITE, ":$", EL_ERR_MISUSE, "a placeholder with a strange name"},
        {SQLITE, "1 = @1", EL_ERR_MISUSE, "a placeholder with @ at line 1, column 5"},
        {SQLITE, "1 = #a", EL_ERR_MISUSE, "a placeholder with # at line 1, column 5"},
        {SQLITE, "$::a", EL_ERR_MISUSE, "a placeholder with $ at line 1, column 1"},
        {SQLITE, ":\xC3\xA4", EL_ERR_MISUSE, "a placeholder with a strange name"},
        {PG, ":\xC3\xA4", EL_ERR_MISUSE, "a placeholder with a strange name"},
        {PG, ":caf\xC3\xA9", EL_ERR_MISUSE, "a placeholder with a strange name"},
        {MYSQL, ":a$b", EL_ERR_MISUSE, "a placeholder with a strange name"},
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        el_placeholders p;
        el_error err = {0};
        const char *sql = list[i].sql;
        if (el_placeholder_scan(&p, sql, strlen(sql), list[i].dialect, &err) != EL_FAIL) {
            fail_msg("%s: accepted as %s", sql, p.sql);
        }
        if (strncmp(err.message, list[i].message, strlen(list[i].message)) != 0) {
            fail_msg("%s: %s", sql, err.message);
        }
        assert_int_equal(err.kind, list[i].kind);
        assert_null(p.sql);
        assert_null(p.order);
        assert_int_equal(p.count, 0);
    }
}

static void refuses_nul(void **state) {
    (void)state;
    static const char sql[] = "select\n '\0'";
    el_placeholders p;
    el_error err = {0};
    assert_int_equal(el_placeholder_scan(&p, sql, sizeof sql - 1, SQLITE, &err), EL_FAIL);
    assert_int_equal(err.kind, EL_ERR_MISUSE);
    assert_non_null(strstr(err.message, "a NUL byte at line 2, column 3"));
}

static void needs_no_nul_at_the_end(void **state) {
    (void)state;
    static const char *const sqls[] = {"?",  ":abc", "'a'",  "$1",
                                       "--", "/**/", "E'a'", "a@"};
    for (size_t i = 0; i < sizeof sqls / sizeof *sqls; i++) {
        size_t n = strlen(sqls[i]);
        char *exact = malloc(n); /* a read past its end is seen by the sanitizer */
        assert_non_null(exact);
        memcpy(exact, sqls[i], n);
        el_placeholders p;
        el_error err = {0};
        assert_int_equal(el_placeholder_scan(&p, exact, n, PG, &err), EL_OK);
        el_placeholder_release(&p);
        free(exact);
    }
    el_placeholders p;
    el_error err = {0};
    assert_int_equal(el_placeholder_scan(&p, NULL, 0, PG, &err), EL_OK);
    assert_string_equal(p.sql, "");
    el_placeholder_release(&p);
}

static void takes_many(void **state) {
    (void)state;
    enum { COUNT = 100000 };
    char *sql = malloc(COUNT * 8 + 1);
    assert_non_null(sql);
    size_t n = 0;
    for (int i = 0; i < COUNT; i++) {
        n += (size_t)snprintf(sql + n, 9, ":n%05d ", i % 50000);
    }
    el_placeholders p;
    el_error err = {0};
    clock_t start = clock();
    assert_int_equal(el_placeholder_scan(&p, sql, n, PG, &err), EL_OK);
    assert_true(clock() - start < 5 * CLOCKS_PER_SEC);
    assert_int_equal(p.count, 50000);
    assert_non_null(strstr(p.sql, "$50000 $1 $2 "));
    el_placeholder_release(&p);
    assert_int_equal(el_placeholder_scan(&p, sql, n, MYSQL, &err), EL_OK);
    assert_int_equal(p.count, COUNT);
    el_placeholder_release(&p);
    free(sql);
}

static void survives_a_failing_allocator(void **state) {
    (void)state;
    static const char *const sqls[] = {
        "?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?", "$20",
        ":a :b :c :d :e :f :g :h :i :j :k :l :m :n :o :p :q :r :s :a"};
    for (size_t i = 0; i < sizeof sqls / sizeof *sqls; i++) {
        int rc = EL_FAIL;
        long n = 0;
        for (; rc != EL_OK; n++) {
            assert_true(n < 100);
            el_placeholders p;
            el_error err = {0};
            starve_after(n);
            rc = el_placeholder_scan(&p, sqls[i], strlen(sqls[i]), PG, &err);
            feed();
            if (rc != EL_OK) {
                assert_int_equal(err.kind, EL_ERR_NOMEM);
                assert_null(p.sql);
            }
            el_placeholder_release(&p);
        }
        assert_true(n > 3);
    }
}

/* A text of `n` bytes that are likely to mean something. */
static void fill_random(char *text, size_t n, uint32_t seed, bool any_byte) {
    static const char special[] = "'\"`[]$?:@-#/*\\\n aE1!M&|=";
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        unsigned char byte = (unsigned char)(seed >> 24);
        text[i] =
            any_byte ? (char)(byte ? byte : 1) : special[byte % (sizeof special - 1)];
    }
}

static void survives_random_text(void **state) {
    (void)state;
    enum { LONG = 1 << 20, SHORT = 40, ROUNDS = 200000 };
    char *text = malloc(LONG);
    assert_non_null(text);
    clock_t start = clock();
    for (int any = 0; any < 2; any++) {
        for (int dialect = 0; dialect < 3; dialect++) {
            el_placeholders p;
            el_error err = {0};
            fill_random(text, LONG, 7, any);
            el_placeholder_scan(&p, text, LONG, (el_dialect)dialect, &err);
            el_placeholder_release(&p);
        }
    }
    size_t accepted = 0;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        el_placeholders p;
        el_error err = {0};
        fill_random(text, SHORT, i * 2654435761u, false);
        if (el_placeholder_scan(&p, text, i % SHORT, (el_dialect)(i % 3), &err) ==
            EL_OK) {
            accepted++;
            assert_int_equal(strlen(p.sql), p.len);
        } else {
            assert_true(err.message[0] != '\0');
        }
        el_placeholder_release(&p);
    }
    assert_true(accepted > 1000);
    assert_true(clock() - start < 20 * CLOCKS_PER_SEC);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rewrites_placeholders),
        cmocka_unit_test(counts_beyond_nine),
        cmocka_unit_test(leaves_strings_and_identifiers),
        cmocka_unit_test(leaves_comments),
        cmocka_unit_test(knows_casts_slices_and_assignments),
        cmocka_unit_test(leaves_dollar_quotes),
        cmocka_unit_test(knows_operators_of_jsonb),
        cmocka_unit_test(leaves_numbered_ones),
        cmocka_unit_test(tells_the_style),
        cmocka_unit_test(refuses_what_cannot_be_right),
        cmocka_unit_test(refuses_nul),
        cmocka_unit_test(needs_no_nul_at_the_end),
        cmocka_unit_test(takes_many),
        cmocka_unit_test(survives_a_failing_allocator),
        cmocka_unit_test(survives_random_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
