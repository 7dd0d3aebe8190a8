-- SPDX-License-Identifier: MIT
--
-- What an engine can't do, with the reason: suite, name of the case, engine. Such a case
-- has to fail; one that passes is a failure, so that no quirk outlives its cause.

---@type table<string, table<string, table<string, string>>>
local quirks = {
    bulk = {
        ["many rows that bring their keys: later ones go on from the largest"] = {
            pg = "a sequence of PostgreSQL does not see keys that it has not made",
        },
    },
    errors = {
        ["foreignKey tells the constraint"] = {
            sqlite = "SQLite does not say which foreign key it was, and keeps their names in SQL text only",
        },
        ["value: the engine says so with that kind"] = {
            sqlite = "a string of SQLite has no length; a CHECK refuses longer ones",
        },
        ["auth: a wrong password"] = { sqlite = "a file has no users" },
        ["notFound: an unknown database"] = { sqlite = "a file is made when it is not there" },
    },
    queries = {
        ["NULL sorts first, and last downwards"] = {
            pg = "PostgreSQL sorts NULL after everything; NULLS FIRST would cost it the index",
        },
    },
    schema = {
        ["text in a column of numbers is refused, by raw SQL too"] = {
            sqlite = "a column of SQLite takes any type; models check values before they are sent",
        },
        ["a table that rows of others refer to is not dropped, by kind foreignKey"] = {
            pg = "PostgreSQL says only that something depends on the table, be it a key or a view (2BP01)",
        },
    },
    transactions = {
        ["goes on after an error that was caught inside"] = {
            pg = "PostgreSQL refuses everything after a failed statement, up to a savepoint",
        },
        ["tables that are made in it are undone"] = {
            mysql = "MySQL commits before it changes a table, so that is refused inside a transaction",
        },
    },
    values = {
        ["unsigned bigInteger by raw access"] = {
            pg = "PostgreSQL has no unsigned numbers: the column is NUMERIC(20), raw access reads decimals",
        },
        ["double, infinity in conditions"] = { mysql = "MySQL has no infinity; it is refused" },
        ["text with a zero byte in conditions"] = { pg = "a text of PostgreSQL holds no zero byte; it is refused" },
        ["an unsigned bigInteger beyond 64 bits with sign"] = {
            sqlite = "an integer of SQLite has 64 bits with sign; it is refused",
        },
        ["an enum sorts as text"] = { mysql = "an ENUM of MySQL sorts by the position of its values" },
    },
}

local ways <const> = {
    "create, find and cursor", "insert of many rows", "save and update, from and to NULL", "raw access",
    "raw access, written",
}

-- A value that an engine refuses or makes another one of, whichever way it is written.
local function loses(case, reasons)
    for _, way in ipairs(ways) do
        quirks.values[("%s by %s"):format(case, way)] = reasons
    end
end

loses("double, the negative zero", {
    sqlite = "SQLite keeps a REAL without a fraction as an integer, which has no negative zero",
    mysql = "MySQL keeps the negative zero as 0",
})
loses("double, infinity", { mysql = "MySQL has no infinity; it is refused" })
loses("text with a zero byte", { pg = "a text of PostgreSQL holds no zero byte; it is refused" })
loses("json, floats with an exponent", {
    pg = "jsonb keeps numbers as NUMERIC and writes all their digits",
})

-- {{{ MongoDB

local function on_mongo(suite, reason, names)
    local cases = quirks[suite] or {}
    quirks[suite] = cases
    for _, name in ipairs(names) do
        local engines = {}
        for engine, why in pairs(cases[name] or {}) do
            engines[engine] = why
        end
        engines.mongo = reason
        cases[name] = engines
    end
end

local no_sql <const> = "MongoDB takes no SQL, and the case is about some"
local no_table <const> = "a collection of MongoDB that is not there is an empty one"
local no_savepoint <const> = "MongoDB has no savepoints: an error inside undoes the whole transaction"

on_mongo("crud", "the key of a document can't change", { "update changes the key, by the old one" })
on_mongo("queries", no_sql, {
    "whereRaw and a raw value",
    "update with a raw value",
    "groups with a raw value",
})
on_mongo("queries", "MongoDB has no subqueries", { "a subquery as a value" })
on_mongo("writes", "MongoDB has no subqueries", { "a subquery about another model compares as its columns say" })
on_mongo("bulk", no_sql, {
    "many rows of a table without a model, of mixed and awkward values",
    "the connection works after many rows that failed on the server",
    "insertOrIgnore does not ignore other mistakes",
    "upsert with values of its own, raw SQL, or nothing to write",
})
on_mongo("bulk", "a document without a model has the key _id", { "insertGetId of a table without a model" })
on_mongo("bulk", no_savepoint, { "inside a transaction, a failure that is caught undoes only itself" })
on_mongo("streams", no_sql, { "a change of the table that it reads is made, or refused at once" })
on_mongo("streams", no_table, { "its table may be missing" })
on_mongo("conflicts", no_savepoint, { "a conflict in a nested transaction runs the outermost again" })
on_mongo("conflicts", "MongoDB waits for no lock in a transaction, which fails with kind conflict at once", {
    "a lock that is not to be had is an error of kind busy",
})
on_mongo("exactness", "MongoDB has no joins", {
    "of a joined column take that table's, with a limit too",
    "with distinct are about the different values",
    "refuse a joined column that is not among those chosen",
})
on_mongo("exactness", "MongoDB has no unions of queries", {
    "pluck and value of a union keep the columns of its members",
})
on_mongo("exactness", no_sql, { "an update reads the values from before it" })
on_mongo("exactness", "every document has the key _id", { "verbs that go by key say so where there is none" })
for _, name in ipairs({ "inner level kept", "inner level undone", "refused", "created then dirty",
    "created then deleted" }) do
    on_mongo("journal", no_savepoint, { name .. ", cold", name .. ", warm" })
end
on_mongo("raw", "a command of MongoDB has values by `?` only", { "? and :name" })
on_mongo("raw", no_sql, {
    "are not found in strings, names and comments",
    "? and :name don't mix",
    "results of expressions are typed",
    "duplicate column names, odd names, expressions without a name",
    "a wide row and a long text",
    "script runs several statements",
    "a table that changes under a statement that was prepared",
})
on_mongo("raw", no_table, { "table of a table that is not there is an error" })
on_mongo("errors", "MongoDB has no foreign keys, and a model of it takes none", {
    "foreignKey of a row without a parent",
    "foreignKey of a parent with rows",
    "foreignKey tells the constraint",
    "foreignKey tells the table",
    "foreignKey tells the column",
})
on_mongo("errors", "a document of MongoDB has any fields, of any length; models check before they send", {
    "an unknown column",
    "an unknown column is named",
    "value: what a column can't hold, by raw SQL",
    "value: the engine says so with that kind",
})
on_mongo("errors", no_table, { "an unknown table", "an unknown table is named", "an unknown table of a model" })
on_mongo("errors", "a database of MongoDB is made when something is written", { "notFound: an unknown database" })
on_mongo("transactions", no_sql, {
    "a commit that a deferred foreign key forbids undoes it all, and names the key",
    "a transaction that the script ended itself is told",
    "tables that are made in it are undone",
})
on_mongo("transactions", no_savepoint, {
    "goes on after an error that was caught inside",
    "nested: an error of the database in the inner one",
    "nested: three levels, and siblings",
    "afterCommit runs after the commit, in order",
})
on_mongo("transactions", "MongoDB has snapshots, nothing that is serializable", { "isolation" })
on_mongo("rollback", "the key of a document can't change", { "keeps its row when its key was changed" })
on_mongo("rollback", no_savepoint, {
    "goes back with its savepoint only",
    "goes back with the outer transaction when its savepoint was kept",
})
on_mongo("rollback", no_sql, {
    "runs nothing more after a rollback",
    "runs nothing more after a commit, even when that is caught",
    "a deadlock that is caught inside is tried again all the same",
})

for case, reason in pairs({
    ["timestamp, to the microsecond"] = "a moment of MongoDB has milliseconds; others are refused",
    ["timestamp with time zone, to the microsecond"] = "a moment of MongoDB has milliseconds; others are refused",
    ["decimal(65,30)"] = "a decimal of MongoDB has 34 digits; longer ones are refused",
}) do
    for _, way in ipairs(ways) do
        on_mongo("values", reason, { ("%s by %s"):format(case, way) })
    end
    on_mongo("values", reason, { case .. " in order", case .. " in conditions" })
end
on_mongo("values", "the case writes a value twice into one document, and a document has 16 MB", {
    "text of 10 MB by raw access, written",
    "binary of 10 MB, zero bytes in it by raw access, written",
})
on_mongo("values", "a decimal of MongoDB has 34 digits; longer ones are refused", {
    "decimals add up, group and compare exactly, whatever their length",
})
on_mongo("values", "a document of MongoDB holds infinity, which JSON has not", {
    "json, infinity refuses what it can't hold, before anything is sent",
})

-- }}}

return quirks
