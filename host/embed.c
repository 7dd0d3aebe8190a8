/* SPDX-License-Identifier: MIT
**
** embed.c - build tool: turns Lua files into one C table of modules (el_modules).
**
**     el_embed OUTPUT --bytecode|--source ROOT FILE...      files relative to ROOT
**
** Bytecode keeps its lines, so that errors match the repository, but no names of local
** variables: they are a tenth of what a start reads.  OUTPUT is written only when it
** changes, so that a build after `touch` compiles nothing.
*/
#include <lauxlib.h>
#include <lua.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct text {
    char *bytes;
    size_t n, capacity;
} text;

typedef struct module {
    char *name;
    const char *file;
    text bytes;
} module;

_Noreturn static void die(const char *what, const char *which) {
    fprintf(stderr, "el_embed: %s: %s\n", what, which);
    exit(EXIT_FAILURE);
}

static void *must(void *p) {
    if (p == NULL) {
        die("not enough memory", "stop");
    }
    return p;
}

static void add(text *t, const void *bytes, size_t n) {
    if (t->bytes == NULL || t->capacity - t->n < n + 1) {
        t->capacity = (t->capacity + n + 1) * 2;
        t->bytes = must(realloc(t->bytes, t->capacity));
    }
    memcpy(t->bytes + t->n, bytes, n);
    t->n += n;
    t->bytes[t->n] = '\0';
}

static void adds(text *t, const char *s) {
    add(t, s, strlen(s));
}

/* False when the file can't be opened. */
static bool read_file(text *t, const char *path) {
    char block[8192];
    size_t n;
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        return false;
    }
    while ((n = fread(block, 1, sizeof block, f)) > 0) {
        add(t, block, n);
    }
    fclose(f);
    return true;
}

static int write_chunk(lua_State *L, const void *bytes, size_t n, void *ud) {
    (void)L;
    add(ud, bytes, n);
    return 0;
}

/* {====== Bytecode without names of local variables ====== */

/*
** Bytecode of Lua 5.4 as ldump.c of its sources writes it: what comes before the names of
** a function has to be read to find them.  lua_dump itself leaves out lines as well.
*/
typedef struct code {
    const unsigned char *at, *end;
    text *out;
} code;

enum { HEADER_SIZE = 4 + 1 + 1 + 6 + 3 + sizeof(lua_Integer) + sizeof(lua_Number) };

static void copy_bytes(code *c, size_t n) {
    if (n > (size_t)(c->end - c->at)) {
        die("bytecode", "it is not as Lua 5.4 writes it");
    }
    add(c->out, c->at, n);
    c->at += n;
}

/* Seven bits a byte, the highest first; the last byte has its top bit set. */
static size_t copy_size(code *c) {
    size_t n = 0;
    unsigned char byte;
    do {
        byte = c->at < c->end ? *c->at : 0x80;
        copy_bytes(c, 1);
        n = n << 7 | (byte & 0x7f);
    } while ((byte & 0x80) == 0);
    return n;
}

static void copy_string(code *c) {
    size_t n = copy_size(c); /* one more than its length; 0: no string */
    copy_bytes(c, n > 0 ? n - 1 : 0);
}

static void copy_constant(code *c) {
    int type = c->at < c->end ? *c->at : LUA_TNONE;
    copy_bytes(c, 1);
    switch (type & 0x0f) {
    case LUA_TNUMBER:
        copy_bytes(c, type == LUA_TNUMBER ? sizeof(lua_Integer) : sizeof(lua_Number));
        break;
    case LUA_TSTRING:
        copy_string(c);
        break;
    default: /* nil and booleans are their type alone */
        break;
    }
}

/* Reads on in the text that was copied: a list of names becomes an empty one. */
static void drop_names(code *c, int numbers_each) {
    text names = {0}, *out = c->out;
    c->out = &names;
    for (size_t n = copy_size(c); n > 0; n--) {
        copy_string(c);
        for (int i = 0; i < numbers_each; i++) {
            copy_size(c);
        }
    }
    c->out = out;
    free(names.bytes);
    add(out, "\x80", 1);
}

static void copy_function(code *c) {
    enum { INSTRUCTION = 4, UPVALUE = 3 };
    copy_string(c); /* its source */
    copy_size(c);   /* first and last line */
    copy_size(c);
    copy_bytes(c, 3); /* parameters, varargs, stack */
    copy_bytes(c, copy_size(c) * INSTRUCTION);
    for (size_t n = copy_size(c); n > 0; n--) {
        copy_constant(c);
    }
    copy_bytes(c, copy_size(c) * UPVALUE);
    for (size_t n = copy_size(c); n > 0; n--) {
        copy_function(c);
    }
    copy_bytes(c, copy_size(c)); /* lines, each as a step from the one before */
    for (size_t n = copy_size(c); n > 0; n--) {
        copy_size(c); /* an instruction and its line */
        copy_size(c);
    }
    drop_names(c, 2); /* local variables: where they begin and end */
    drop_names(c, 0); /* upvalues */
}

/* Appends `bytecode` to `out`; Lua itself has to read the result. */
static void add_without_names(text *out, const text *bytecode, lua_State *L) {
    code c = {(const unsigned char *)bytecode->bytes, NULL, out};
    c.end = c.at + bytecode->n;
    copy_bytes(&c, HEADER_SIZE + 1); /* and the number of the chunk's upvalues */
    copy_function(&c);
    if (c.at != c.end || luaL_loadbufferx(L, out->bytes, out->n, "=", "b") != LUA_OK) {
        die("bytecode", "it is not as Lua 5.4 writes it");
    }
    lua_pop(L, 1);
}

/* }====== */

/* "eloquent/cli/init.lua" -> "eloquent.cli" */
static char *module_name(const char *file) {
    size_t n = strlen(file);
    if (n < 5 || strcmp(file + n - 4, ".lua") != 0) {
        die("not a Lua file", file);
    }
    char *name = must(strdup(file));
    name[n - 4] = '\0';
    if (n > 9 && strcmp(file + n - 9, "/init.lua") == 0) {
        name[n - 9] = '\0';
    }
    for (char *p = name; *p != '\0'; p++) {
        if (*p == '/') {
            *p = '.';
        }
    }
    return name;
}

/* Compiles in any case: a syntax error must fail the build. */
static void load_module(module *m, lua_State *L, const char *root, bool bytecode) {
    text path = {0}, chunk = {0}, source = {0};
    adds(&path, root);
    adds(&path, "/");
    adds(&path, m->file);
    adds(&chunk, "@lua/");
    adds(&chunk, m->file);
    add(&source, "", 0);
    if (!read_file(&source, path.bytes)) {
        die("cannot read", path.bytes);
    }
    if (luaL_loadbufferx(L, source.bytes, source.n, chunk.bytes, "t") != LUA_OK) {
        die("syntax error", lua_tostring(L, -1));
    }
    if (bytecode) {
        text whole = {0};
        lua_dump(L, write_chunk, &whole, 0);
        add_without_names(&m->bytes, &whole, L);
        free(whole.bytes);
    } else {
        add(&m->bytes, source.bytes, source.n);
    }
    lua_pop(L, 1);
    free(path.bytes);
    free(chunk.bytes);
    free(source.bytes);
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const module *)a)->name, ((const module *)b)->name);
}

/* The bytes as a C string literal. */
static void add_literal(text *out, const text *bytes) {
    char escaped[8];
    for (size_t i = 0; i < bytes->n; i++) {
        unsigned char c = (unsigned char)bytes->bytes[i];
        if (i % 64 == 0) {
            adds(out, i == 0 ? "    \"" : "\"\n    \"");
        }
        if (c >= ' ' && c < 127 && c != '"' && c != '\\' && c != '?') {
            snprintf(escaped, sizeof escaped, "%c", c);
        } else {
            snprintf(escaped, sizeof escaped, "\\%03o", c);
        }
        adds(out, escaped);
    }
    adds(out, bytes->n == 0 ? "    \"\"" : "\"");
}

static void add_module(text *out, const module *m) {
    char size[32];
    adds(out, "    {\"");
    adds(out, m->name);
    adds(out, "\", \"@lua/");
    adds(out, m->file);
    adds(out, "\",\n");
    add_literal(out, &m->bytes);
    snprintf(size, sizeof size, ", %zu},\n", m->bytes.n);
    adds(out, size);
}

static void write_if_changed(const char *path, const text *out) {
    text before = {0};
    if (read_file(&before, path) && before.bytes != NULL && before.n == out->n &&
        memcmp(before.bytes, out->bytes, out->n) == 0) {
        free(before.bytes);
        return;
    }
    free(before.bytes);
    FILE *f = fopen(path, "wb");
    if (f == NULL || fwrite(out->bytes, 1, out->n, f) != out->n || fclose(f) != 0) {
        remove(path);
        die("cannot write", path);
    }
}

int main(int argc, char **argv) {
    if (argc < 4 ||
        (strcmp(argv[2], "--bytecode") != 0 && strcmp(argv[2], "--source") != 0)) {
        die("usage", "el_embed OUTPUT --bytecode|--source ROOT FILE...");
    }
    size_t count = (size_t)(argc - 4);
    bool bytecode = strcmp(argv[2], "--bytecode") == 0;
    module *modules = must(calloc(count + 1, sizeof *modules));
    lua_State *L = must(luaL_newstate());
    for (size_t i = 0; i < count; i++) {
        modules[i].file = argv[i + 4];
        modules[i].name = module_name(modules[i].file);
        load_module(&modules[i], L, argv[3], bytecode);
    }
    lua_close(L);
    qsort(modules, count, sizeof *modules, by_name);

    text out = {0};
    char number[64];
    adds(&out, "/* Made by el_embed from lua/. */\n#include \"host.h\"\n\n"
               "const el_module el_modules[] = {\n");
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && strcmp(modules[i].name, modules[i - 1].name) == 0) {
            die("two files make one module", modules[i].name);
        }
        add_module(&out, &modules[i]);
    }
    snprintf(number, sizeof number,
             "    {0, 0, 0, 0}};\nconst size_t el_module_count = %zu;\n", count);
    adds(&out, number);
    write_if_changed(argv[1], &out);

    for (size_t i = 0; i < count; i++) {
        free(modules[i].name);
        free(modules[i].bytes.bytes);
    }
    free(modules);
    free(out.bytes);
    return EXIT_SUCCESS;
}
