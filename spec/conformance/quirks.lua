-- SPDX-License-Identifier: MIT
--
-- What an engine can't do, with the reason: suite, name of the case, engine. Such a case
-- has to fail; one that passes is a failure, so that no quirk outlives its cause.

---@type table<string, table<string, table<string, string>>>
local quirks = {
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

-- A value that an engine refuses or makes another one of, whichever way it is written.
local function loses(case, reasons)
    for _, way in ipairs({
        "create, find and cursor",
        "insert of many rows",
        "save and update, from and to NULL",
        "raw access",
    }) do
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

return quirks
