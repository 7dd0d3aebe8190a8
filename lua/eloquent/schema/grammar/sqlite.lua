-- SPDX-License-Identifier: MIT
--
-- DDL of SQLite. Declared types choose the affinity: what must stay text has TEXT in its
-- name, and decimals are text that sorts by the collation `decimal`. CHECKs do what its
-- types don't: lengths, ranges, values.

local base = require("eloquent.schema.grammar.base")

local Grammar = base:extend({ driver = "sqlite", title = "SQLite" })

Grammar.increments = "PRIMARY KEY AUTOINCREMENT"

Grammar.types = {
    increments = "INTEGER",
    bigIncrements = "INTEGER",
    smallInteger = "SMALLINT",
    integer = "INTEGER",
    bigInteger = "BIGINT",
    boolean = "BOOLEAN",
    string = function(_, column)
        return ("VARCHAR(%d)"):format(column.length)
    end,
    text = "TEXT",
    decimal = function(_, column)
        local text = "DECIMAL TEXT(%d,%d) COLLATE decimal"
        return text:format(column.precision, column.scale)
    end,
    float = "REAL",
    double = "DOUBLE",
    date = "DATE",
    time = "TIME",
    timestamp = "TIMESTAMP",
    json = "JSON TEXT",
    uuid = "UUID TEXT",
    ulid = "CHAR(26)",
    binary = "BLOB",
    enum = "TEXT",
}

-- The same text as the program writes: six digits of a second.
function Grammar.now()
    return "(strftime('%Y-%m-%d %H:%M:%f000', 'now'))"
end

function Grammar:decimal(digits)
    return self:string(digits)
end

local highest = { smallInteger = 65535, integer = 4294967295 }

local check_of = {
    boolean = function(_, name)
        return { "boolean", name .. " IN (0, 1)" }
    end,
    string = function(_, name, column)
        return { "length", ("length(%s) <= %d"):format(name, column.length) }
    end,
    binary = function(_, name, column)
        return column.length
            and { "length", ("length(%s) <= %d"):format(name, column.length) }
    end,
    json = function(_, name)
        return { "json", ("%s IS NULL OR json_valid(%s)"):format(name, name) }
    end,
    enum = function(self, name, column)
        return { "enum", ("%s IN (%s)"):format(name, self:enum_values(column)) }
    end,
}

-- Beyond 64 bits SQLite would keep the nearest float, so such a column takes whole
-- numbers only.
local function unsigned_check(name, column)
    if highest[column.type] then
        local text = "%s BETWEEN 0 AND %d"
        return { "unsigned", text:format(name, highest[column.type]) }
    end
    return {
        "unsigned",
        ("%s >= 0 AND typeof(%s) IN ('integer', 'null')"):format(name, name),
    }
end

function Grammar:checks_of(column)
    local name, checks = self:identifier(column.name), {}
    if check_of[column.type] then
        checks[1] = check_of[column.type](self, name, column)
    elseif column.unsigned then
        checks[1] = unsigned_check(name, column)
    end
    return checks
end

-- CREATE TABLE is kept as it was written, so a comment stays with its column.
local function comment(text)
    if text then
        return ("/* %s */"):format(text:gsub("%*/", "* /"):gsub("%c", " "))
    end
end

function Grammar.column_suffix(_, column)
    return comment(column.comment)
end

function Grammar.table_suffix(_, op)
    return op.comment and " " .. comment(op.comment) or ""
end

function Grammar:default_of(column)
    if
        column.type == "bigInteger"
        and type(column.default) == "string"
        and not math.tointeger(tonumber(column.default))
    then
        self:unsupported(
            'SQLite keeps whole numbers of 64 bits, and the default of "%s" is beyond',
            column.name
        )
    end
    return base.default_of(self, column)
end

-- A key called INTEGER would be SQLite's row number, which fills in a missing key by
-- itself; INT is a column like every other.
local function plain_keys(op)
    if not op.primary or #op.primary ~= 1 then
        return op
    end
    local columns = {}
    for i, column in ipairs(op.columns) do
        columns[i] = column
        if column.name == op.primary[1] and column.type == "integer" then
            columns[i] = setmetatable({ plain_key = true }, { __index = column })
        end
    end
    return setmetatable({ columns = columns }, { __index = op })
end

function Grammar:type_of(column)
    if column.plain_key then
        return "INT"
    end
    return base.type_of(self, column)
end

function Grammar:table_lines(op)
    return base.table_lines(self, plain_keys(op))
end

-- The index is in the table's schema, and the table is named without it.
function Grammar:index_names(schema, bare, index_name)
    local name = self:identifier(index_name)
    return schema and self:table_name(schema) .. "." .. name or name,
        self:identifier(bare)
end

function Grammar:referenced(table_name, key)
    local here = self:split_table(table_name)
    local there, bare = self:split_table(key.table)
    if there and there ~= here then
        self:unsupported(
            'a foreign key of SQLite can\'t refer to another database file ("%s")',
            key.table
        )
    end
    return self:identifier(bare)
end

function Grammar:addColumn(op)
    local column = op.column
    local function refuse(why)
        self:unsupported(
            'SQLite can\'t add the column "%s" to the existing table "%s": %s',
            column.name,
            op.table,
            why
        )
    end
    local default = column.default
    if column.defaultNow or type(default) == "table" and default.raw then
        refuse("its default is an expression; add it without, then update the rows")
    end
    local is_null = default == nil or type(default) == "table"
    if not column.nullable and is_null then
        refuse("rows that exist would have NULL in it; give it a default or nullable()")
    end
    local definition = self:column_definition(op.table, column)
    if column.foreignKey then
        if not is_null then
            refuse("it is a foreign key with a default; leave the default out")
        end
        local key = column.foreignKey
        definition = ("%s CONSTRAINT %s REFERENCES %s (%s)%s"):format(
            definition,
            self:identifier(key.name),
            self:referenced(op.table, key),
            self:columns(key.references),
            self:actions_of(key)
        )
    end
    return self:alter(op, "ADD COLUMN %s", definition)
end

-- What SQLite does by building the table anew only.
for _, name in ipairs({
    "addForeignKey", "dropForeignKey", "addCheck", "dropCheck", "addPrimary", "dropPrimary",
}) do
    Grammar[name] = function(self, op)
        self:unsupported(
            'SQLite can\'t do %s on the existing table "%s"; put it where the table is '
                .. "created, or copy the rows into a new table",
            name,
            op.table
        )
    end
end

function Grammar:table_exists(name)
    local schema, bare = self:split_table(name)
    local catalog = schema and self:table_name(schema) .. ".sqlite_master" or "sqlite_master"
    local text = "SELECT count(*) FROM %s WHERE type = 'table' AND name = ? COLLATE NOCASE"
    return text:format(catalog), { bare }
end

-- Another table with a foreign key to this one. SQLite would delete the rows of a dropped
-- table first, and with ON DELETE CASCADE those that refer to them.
function Grammar:referring_table(name)
    local schema, bare = self:split_table(name)
    local catalog = schema and self:table_name(schema) .. ".sqlite_master" or "sqlite_master"
    local text = "SELECT t.name FROM %s t, pragma_foreign_key_list(t.name) k WHERE t.type = 'table' "
        .. "AND k.\"table\" = ? COLLATE NOCASE AND t.name <> ? COLLATE NOCASE ORDER BY 1 LIMIT 1"
    return text:format(catalog), { bare, bare }
end

function Grammar:column_exists(name, column)
    local schema, bare = self:split_table(name)
    if schema then
        return "SELECT count(*) FROM pragma_table_info(?, ?) WHERE name = ? COLLATE NOCASE",
            { bare, schema, column }
    end
    return "SELECT count(*) FROM pragma_table_info(?) WHERE name = ? COLLATE NOCASE",
        { bare, column }
end

return Grammar
