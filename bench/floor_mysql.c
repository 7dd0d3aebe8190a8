/* SPDX-License-Identifier: MIT
**
** floor_mysql.c - the work of bench/work.lua in C on MariaDB's or MySQL's client library
** alone: what it and the server cost, written as one would write it by hand for speed.
** The server is the one that the EL_SPEC_MYSQL_* variables name.
**
**     floor_mysql WORKLOAD ROWS     prints: seconds checksum processor-seconds KiB
*/
#include <mysql.h>

#include "floor.h"

#define INSERT "insert into users (" FIELDS ") values "

enum { MAX_TEXT = 256, NCOLUMNS = 8, BULK_ROWS = 4000 };

static _Noreturn void die(MYSQL *link, const char *what) {
    give_up(what, mysql_error(link));
}

static void run(MYSQL *link, const char *sql) {
    if (mysql_query(link, sql) != 0) {
        die(link, sql);
    }
}

static MYSQL *connect_server(void) {
    MYSQL *link = need(mysql_init(NULL));
    unsigned protocol = MYSQL_PROTOCOL_TCP;
    my_bool yes = 1, no = 0;
    mysql_options(link, MYSQL_OPT_PROTOCOL, &protocol);
    mysql_options(link, MYSQL_OPT_SSL_ENFORCE, &yes); /* as eloquent does, unchecked */
    mysql_options(link, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &no);
    mysql_options(link, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    if (!mysql_real_connect(
            link, setting("EL_SPEC_MYSQL_HOST"), setting("EL_SPEC_MYSQL_USER"),
            setting("EL_SPEC_MYSQL_PASSWORD"), setting("EL_SPEC_MYSQL_NAME"),
            (unsigned)atoi(setting("EL_SPEC_MYSQL_PORT")), NULL, CLIENT_FOUND_ROWS)) {
        die(link, "connect");
    }
    run(link, "set names utf8mb4, time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES,"
              "STRICT_TRANS_TABLES,ONLY_FULL_GROUP_BY,NO_ZERO_DATE,NO_ZERO_IN_DATE,"
              "ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'");
    return link;
}

static MYSQL_STMT *prepare(MYSQL *link, const char *sql) {
    MYSQL_STMT *st = need(mysql_stmt_init(link));
    if (mysql_stmt_prepare(st, sql, (unsigned long)strlen(sql)) != 0) {
        die(link, sql);
    }
    return st;
}

static void execute(MYSQL_STMT *st) {
    if (mysql_stmt_execute(st) != 0) {
        give_up("execute", mysql_stmt_error(st));
    }
}

/* {====== Values ====== */

static void bind(MYSQL_BIND *b, enum enum_field_types type, const void *p, size_t n) {
    b->buffer_type = p ? type : MYSQL_TYPE_NULL;
    b->buffer = (void *)(uintptr_t)p; /* only read */
    b->buffer_length = (unsigned long)n;
    b->length = &b->buffer_length;
}

static void bind_integer(MYSQL_BIND *b, const int64_t *i) {
    bind(b, MYSQL_TYPE_LONGLONG, i, sizeof *i);
}

static const MYSQL_TIME created = {.year = 2024,
                                   .month = 5,
                                   .day = 1,
                                   .hour = 12,
                                   .time_type = MYSQL_TIMESTAMP_DATETIME};

/* Values are bound once; for each execution they change where they are. */
static void bind_params(MYSQL_STMT *st, MYSQL_BIND *b) {
    if (mysql_stmt_bind_param(st, b) != 0) {
        give_up("bind", mysql_stmt_error(st));
    }
}

static void run_with(MYSQL_STMT *st, MYSQL_BIND *b) {
    bind_params(st, b);
    execute(st);
}

/* What an insert of one user binds. */
typedef struct values {
    user u;
    char name[MAX_TEXT], email[MAX_TEXT], bio[MAX_TEXT];
    unsigned long length[NFIELDS];
    my_bool no_bio;
} values;

static void bind_values(MYSQL_BIND *b, values *v) {
    bind(&b[0], MYSQL_TYPE_STRING, v->name, 0);
    bind(&b[1], MYSQL_TYPE_STRING, v->email, 0);
    bind_integer(&b[2], &v->u.age);
    bind(&b[3], MYSQL_TYPE_DOUBLE, &v->u.score, sizeof v->u.score);
    bind(&b[4], MYSQL_TYPE_TINY, &v->u.active, sizeof v->u.active);
    bind(&b[5], MYSQL_TYPE_STRING, v->bio, 0);
    bind(&b[6], MYSQL_TYPE_DATETIME, &created, sizeof created);
    b[0].length = &v->length[0];
    b[1].length = &v->length[1];
    b[5].length = &v->length[5];
    b[5].is_null = &v->no_bio;
}

static void set_text(char to[MAX_TEXT], unsigned long *length, const text *from) {
    *length = from->n;
    if (from->p) {
        memcpy(to, from->p, from->n);
    }
}

static void set_values(values *v, const user *u) {
    v->u = *u;
    v->no_bio = u->bio.p == NULL;
    set_text(v->name, &v->length[0], &u->name);
    set_text(v->email, &v->length[1], &u->email);
    set_text(v->bio, &v->length[5], &u->bio);
}

/* }====== */

/* {====== Rows ====== */

/* Where the columns of a row arrive. */
typedef struct row {
    int64_t id, age;
    double score;
    signed char active;
    MYSQL_TIME created_at;
    char name[MAX_TEXT], email[MAX_TEXT], bio[MAX_TEXT];
    unsigned long length[NCOLUMNS];
    my_bool null[NCOLUMNS];
    MYSQL_BIND bind[NCOLUMNS];
} row;

static void bind_row(MYSQL_STMT *st, row *r) {
    static const enum enum_field_types types[NCOLUMNS] = {
        MYSQL_TYPE_LONGLONG, MYSQL_TYPE_STRING, MYSQL_TYPE_STRING, MYSQL_TYPE_LONGLONG,
        MYSQL_TYPE_DOUBLE,   MYSQL_TYPE_TINY,   MYSQL_TYPE_STRING, MYSQL_TYPE_DATETIME};
    void *const places[NCOLUMNS] = {&r->id,    r->name,    r->email, &r->age,
                                    &r->score, &r->active, r->bio,   &r->created_at};
    memset(r->bind, 0, sizeof r->bind);
    for (int i = 0; i < NCOLUMNS; i++) {
        r->bind[i].buffer_type = types[i];
        r->bind[i].buffer = places[i];
        r->bind[i].buffer_length = types[i] == MYSQL_TYPE_STRING ? MAX_TEXT : 8;
        r->bind[i].length = &r->length[i];
        r->bind[i].is_null = &r->null[i];
    }
    if (mysql_stmt_bind_result(st, r->bind) != 0) {
        give_up("bind", mysql_stmt_error(st));
    }
}

static bool fetch(MYSQL_STMT *st) {
    int rc = mysql_stmt_fetch(st);
    if (rc != 0 && rc != MYSQL_NO_DATA) {
        give_up("fetch", rc == 1 ? mysql_stmt_error(st) : "a text is too long");
    }
    return rc == 0;
}

/* Microseconds since 1970: years begin in March, so that a leap day is their last. */
static int64_t moment(const MYSQL_TIME *t) {
    int64_t year = (int64_t)t->year - (t->month < 3), month = (t->month + 9) % 12;
    int64_t days = year * 365 + year / 4 - year / 100 + year / 400 +
                   (month * 153 + 2) / 5 + (int64_t)t->day - 719469;
    int64_t seconds = ((days * 24 + t->hour) * 60 + t->minute) * 60 + t->second;
    return seconds * 1000000 + (int64_t)t->second_part;
}

/* A user that outlives the row. */
static void keep_user(const row *r, user *u) {
    u->id = r->id;
    u->name = keep(r->name, r->length[1]);
    u->email = keep(r->email, r->length[2]);
    u->age = r->age;
    u->score = r->score;
    u->active = r->active != 0;
    u->bio = r->null[6] ? (text){NULL, 0} : keep(r->bio, r->length[6]);
    u->created_at = moment(&r->created_at);
}

/* }====== */

/* {====== Workloads: each returns a checksum ====== */

static double create(MYSQL *link, int64_t n, start *s) {
    user *users = make_users(1, n);
    double sum = 0;
    begin_work(s);
    run(link, "start transaction");
    MYSQL_STMT *st = prepare(link, INSERT "(?, ?, ?, ?, ?, ?, ?)");
    MYSQL_BIND b[NFIELDS] = {0};
    values v = {0};
    bind_values(b, &v);
    bind_params(st, b);
    for (int64_t i = 0; i < n; i++) {
        set_values(&v, &users[i]);
        execute(st);
        sum += (double)mysql_stmt_insert_id(st);
    }
    run(link, "commit");
    return sum;
}

/* Where the values of a column stand for a statement that runs once for each row. */
typedef struct column {
    const char *text[BULK_ROWS];
    unsigned long length[BULK_ROWS];
    int64_t number[BULK_ROWS];
    double real[BULK_ROWS];
    char flag[BULK_ROWS], indicator[BULK_ROWS];
    const MYSQL_TIME *time[BULK_ROWS];
} column;

static void array_text(column *c, unsigned k, const text *t) {
    c->text[k] = t->p;
    c->length[k] = t->n;
    c->indicator[k] = t->p ? STMT_INDICATOR_NONE : STMT_INDICATOR_NULL;
}

static void bind_array(MYSQL_BIND *b, enum enum_field_types type, void *p, column *c) {
    b->buffer_type = type;
    b->buffer = p;
    b->length = c->length;
    b->u.indicator = c->indicator;
}

/* Arrays of values, MariaDB's own way, take less than statements of many rows. */
static double bulk(MYSQL *link, int64_t n, start *s) {
    user *users = make_users(1, n);
    column *c = need(calloc(NFIELDS, sizeof *c));
    MYSQL_BIND b[NFIELDS] = {0};
    begin_work(s);
    run(link, "start transaction");
    MYSQL_STMT *st = prepare(link, INSERT "(?, ?, ?, ?, ?, ?, ?)");
    bind_array(&b[0], MYSQL_TYPE_STRING, c[0].text, &c[0]);
    bind_array(&b[1], MYSQL_TYPE_STRING, c[1].text, &c[1]);
    bind_array(&b[2], MYSQL_TYPE_LONGLONG, c[2].number, &c[2]);
    bind_array(&b[3], MYSQL_TYPE_DOUBLE, c[3].real, &c[3]);
    bind_array(&b[4], MYSQL_TYPE_TINY, c[4].flag, &c[4]);
    bind_array(&b[5], MYSQL_TYPE_STRING, c[5].text, &c[5]);
    bind_array(&b[6], MYSQL_TYPE_DATETIME, c[6].time, &c[6]);
    for (int64_t i = 0; i < n;) {
        unsigned rows = 0;
        for (; i < n && rows < BULK_ROWS; i++, rows++) {
            const user *u = &users[i];
            array_text(&c[0], rows, &u->name);
            array_text(&c[1], rows, &u->email);
            c[2].number[rows] = u->age;
            c[3].real[rows] = u->score;
            c[4].flag[rows] = u->active;
            array_text(&c[5], rows, &u->bio);
            c[6].time[rows] = &created;
        }
        mysql_stmt_attr_set(st, STMT_ATTR_ARRAY_SIZE, &rows);
        run_with(st, b);
    }
    run(link, "commit");
    return (double)n;
}

static double hydrate(MYSQL *link, int64_t n, start *s) {
    begin_work(s);
    size_t count = 0, room = 1024;
    user *users = need(malloc(sizeof *users * room));
    MYSQL_STMT *st = prepare(link, "select " COLUMNS " from users");
    row r;
    bind_row(st, &r);
    execute(st);
    while (fetch(st)) {
        if (count == room) {
            room *= 2;
            users = need(realloc(users, sizeof *users * room));
        }
        keep_user(&r, &users[count++]);
    }
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += (double)users[i].age + users[i].score;
    }
    return count == (size_t)n ? sum : -1;
}

static double find(MYSQL *link, int64_t n, start *s) {
    begin_work(s);
    double sum = 0;
    MYSQL_STMT *st = prepare(link, "select " COLUMNS " from users where id = ? limit 1");
    MYSQL_BIND b = {0};
    row r;
    int64_t id;
    bind_integer(&b, &id);
    bind_params(st, &b);
    bind_row(st, &r);
    for (int64_t i = 0; i < 20000; i++) {
        id = i * 7919 % n + 1;
        execute(st);
        if (!fetch(st)) {
            give_up("find", "no row");
        }
        sum += (double)r.age;
        mysql_stmt_free_result(st);
    }
    return sum;
}

static size_t first_users(MYSQL *link, user *users, size_t most) {
    size_t count = 0;
    MYSQL_STMT *st =
        prepare(link, "select " COLUMNS " from users order by id limit 10000");
    row r;
    bind_row(st, &r);
    execute(st);
    while (fetch(st) && count < most) {
        keep_user(&r, &users[count++]);
    }
    mysql_stmt_close(st);
    return count;
}

static double save(MYSQL *link, int64_t n, start *s) {
    (void)n;
    user *users = need(malloc(sizeof *users * 10001));
    size_t count = first_users(link, users, 10001);
    begin_work(s);
    run(link, "start transaction");
    MYSQL_STMT *st = prepare(link, "update users set age = ?, score = ? where id = ?");
    MYSQL_BIND b[3] = {0};
    user u;
    bind_integer(&b[0], &u.age);
    bind(&b[1], MYSQL_TYPE_DOUBLE, &u.score, sizeof u.score);
    bind_integer(&b[2], &u.id);
    bind_params(st, b);
    for (size_t i = 0; i < count; i++) {
        users[i].age += 1;
        users[i].score += 0.25;
        memcpy(&u, &users[i], sizeof u); /* the bound one */
        execute(st);
    }
    run(link, "commit");
    return (double)count;
}

static double query(MYSQL *link, int64_t n, start *s) {
    (void)n;
    begin_work(s);
    double sum = 0;
    MYSQL_STMT *st = prepare(link, "select " COLUMNS " from users where id > ? and "
                                   "active = ? order by id asc limit 10");
    MYSQL_BIND b[2] = {0};
    signed char active = 1;
    int64_t id;
    row r;
    bind_integer(&b[0], &id);
    bind(&b[1], MYSQL_TYPE_TINY, &active, sizeof active);
    bind_params(st, b);
    bind_row(st, &r);
    for (int64_t i = 0; i < 20000; i++) {
        id = i % 1000;
        execute(st);
        while (fetch(st)) {
            sum += (double)r.age;
        }
    }
    return sum;
}

/* Rows are read off the wire as they come: the fastest way, and in constant memory. */
static double stream(MYSQL *link, int64_t n, start *s) {
    (void)n;
    begin_work(s);
    double sum = 0;
    MYSQL_STMT *st = prepare(link, "select " COLUMNS " from users");
    row r;
    bind_row(st, &r);
    execute(st);
    while (fetch(st)) {
        sum += (double)r.age + r.score;
    }
    return sum;
}

static double delete_each(MYSQL *link, int64_t n, start *s) {
    (void)n;
    user *users = need(malloc(sizeof *users * 10001));
    size_t count = first_users(link, users, 10001);
    begin_work(s);
    run(link, "start transaction");
    MYSQL_STMT *st = prepare(link, "delete from users where id = ?");
    MYSQL_BIND b = {0};
    int64_t id;
    bind_integer(&b, &id);
    bind_params(st, &b);
    for (size_t i = 0; i < count; i++) {
        id = users[i].id;
        execute(st);
    }
    run(link, "commit");
    return (double)count;
}

static double one(MYSQL *link, int64_t n, start *s) {
    (void)n;
    begin_work(s);
    MYSQL_STMT *st = prepare(link, "select " COLUMNS " from users where id = ? limit 1");
    MYSQL_BIND b = {0};
    row r;
    int64_t id = 1;
    bind_integer(&b, &id);
    bind_row(st, &r);
    run_with(st, &b);
    if (!fetch(st)) {
        give_up("start", "no row");
    }
    mysql_stmt_close(st);
    return (double)r.age;
}

/* }====== */

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        double (*work)(MYSQL *link, int64_t n, start *s);
    } workloads[] = {{"create", create}, {"bulk", bulk},          {"hydrate", hydrate},
                     {"find", find},     {"save", save},          {"query", query},
                     {"stream", stream}, {"delete", delete_each}, {"start", one}};
    for (size_t i = 0; argc == 3 && i < sizeof workloads / sizeof *workloads; i++) {
        if (strcmp(workloads[i].name, argv[1]) == 0) {
            start s;
            MYSQL *link = connect_server();
            double sum = workloads[i].work(link, atoll(argv[2]), &s);
            report(&s, sum);
            mysql_close(link);
            return 0;
        }
    }
    fprintf(stderr, "usage: floor_mysql WORKLOAD ROWS\n");
    return 2;
}
