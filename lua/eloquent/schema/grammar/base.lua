-- SPDX-License-Identifier: MIT
--
-- DDL that engines agree on: compiles operations (schema/operation.lua) to SQL texts. An
-- engine's grammar overrides what differs. The same operation gives the same bytes.

local errors = require("eloquent.core.errors")

---@class eloquent.SchemaGrammar
---@field driver string
---@field product string|nil "mysql", "mariadb", ...; nil when no server was asked
---@field version integer|nil major * 10000 + minor * 100 + patch
local Grammar = {}
Grammar.__index = Grammar

--- A grammar that differs from this one; give it `driver` and overriding methods.
---@param fields table
---@return table
function Grammar:extend(fields)
    fields.__index = fields
    return setmetatable(fields, self)
end

--- The grammar for a server.
---@param product string|nil
---@param version integer|nil
---@return eloquent.SchemaGrammar
function Grammar:new(product, version)
    return setmetatable({ product = product, version = version }, self)
end

--- Raises an error of kind "unsupported": what can't be done, and what to do instead.
function Grammar:unsupported(message, ...)
    errors.raise({
        kind = "unsupported",
        driver = self.driver,
        message = message:format(...),
    })
end

-- {====== Names and literals ======

-- The quoting character; doubled inside a name.
Grammar.quote = '"'

-- The longest name, counted by name_length (bytes or characters); nil: no limit.
Grammar.longest_name = nil
Grammar.name_length = string.len

--- A quoted name of a column, an index or a constraint.
---@param name string
---@return string
function Grammar:identifier(name)
    if name == "" or name:find("%z") then
        errors.raise({ kind = "misuse", message = "a name is empty or has a zero byte" })
    end
    if not utf8.len(name) then
        errors.raise({ kind = "misuse", message = "a name has to be text in UTF-8, this one is not" })
    end
    local longest = self.longest_name
    if longest and (self.name_length(name) or #name) > longest then
        self:unsupported(
            'the name "%s" is longer than the %d that %s takes; choose a shorter one',
            name,
            longest,
            self.title
        )
    end
    local quote = self.quote
    return quote .. name:gsub(quote, quote .. quote) .. quote
end

--- A quoted name of a table; a part before a dot is its schema.
---@param name string
---@return string
function Grammar:table_name(name)
    local parts = {}
    for part in (name .. "."):gmatch("(.-)%.") do
        parts[#parts + 1] = self:identifier(part)
    end
    return table.concat(parts, ".")
end

-- Schema and bare name of a table.
function Grammar:split_table(name)
    local schema, bare = name:match("^(.*)%.([^.]+)$")
    return schema, bare or name
end

--- Names in parentheses are made of these; expressions keep their text.
---@param columns (string|{ raw: string })[]
---@return string
function Grammar:columns(columns)
    local parts = {}
    for i, column in ipairs(columns) do
        parts[i] = type(column) == "table" and "(" .. column.raw .. ")"
            or self:identifier(column)
    end
    return table.concat(parts, ", ")
end

--- A string literal.
---@param text string
---@return string
function Grammar:string(text)
    if text:find("%z") then
        self:unsupported("a text in a definition can't have a zero byte")
    end
    return "'" .. text:gsub("'", "''") .. "'"
end

local function float_text(number)
    local text = ("%.15g"):format(number)
    if tonumber(text) ~= number then
        text = ("%.17g"):format(number)
    end
    return text:find("[.eE]") and text or text .. ".0"
end

local function hex(bytes)
    return (bytes:gsub(".", function(byte)
        return ("%02x"):format(byte:byte())
    end))
end

function Grammar.boolean(_, value)
    return value and "1" or "0"
end

--- A literal of so many bytes, given in hexadecimal digits.
function Grammar.bytes(_, digits)
    return "X'" .. digits .. "'"
end

-- How a type's plain values are written; the others are string literals.
local literals = {
    boolean = function(self, value)
        return self:boolean(value)
    end,
    binary = function(self, value)
        return self:bytes(hex(value))
    end,
    float = function(_, value)
        return float_text(value)
    end,
    decimal = function(self, value)
        return self:decimal(value)
    end,
}
literals.double = literals.float
literals.smallInteger = function(_, value)
    return tostring(value)
end
literals.integer = literals.smallInteger
literals.bigInteger = literals.smallInteger

function Grammar.decimal(_, digits)
    return digits
end

--- A column's plain default value as a literal.
---@param column eloquent.ColumnData
---@return string
function Grammar:literal(column)
    local write = literals[column.type]
    if write then
        return write(self, column.default)
    end
    return self:string(column.default)
end

-- }======

-- {====== Columns ======

--- Each type in the engine's terms: type name -> string, or function(self, column).
Grammar.types = {}

--- The engine's own SQL of the current moment in UTC, for a default.
---@param column eloquent.ColumnData
function Grammar.now(_, column)
    error("no now for " .. column.type)
end

---@param column eloquent.ColumnData
---@return string
function Grammar:type_of(column)
    local written = self.types[column.type]
    return type(written) == "function" and written(self, column) or written
end

--- DEFAULT and its value, or nil.
---@param column eloquent.ColumnData
---@return string|nil
function Grammar:default_of(column)
    local value = column.default
    if column.defaultNow then
        return "DEFAULT " .. self:now(column)
    elseif value == nil then
        return nil
    elseif type(value) == "table" then
        return value.null and "DEFAULT NULL" or ("DEFAULT (%s)"):format(value.raw)
    end
    return "DEFAULT " .. self:literal(column)
end

--- Conditions that stand for what the engine's type doesn't say: { suffix, sql } each.
---@return { [1]: string, [2]: string }[]
function Grammar.checks_of(_, _)
    return {}
end

-- `'a', 'b'` of an enum.
function Grammar:enum_values(column)
    local parts = {}
    for i, value in ipairs(column.values) do
        parts[i] = self:string(value)
    end
    return table.concat(parts, ", ")
end

--- What stands behind type and default of a column: a comment, where the engine has it.
---@return string|nil
function Grammar.column_suffix(_, _)
    return nil
end

--- One of `checks_of`, as it stands in a column's definition.
---@param table_name string
---@param column eloquent.ColumnData
---@param check { [1]: string, [2]: string }  what it is about, for its name; the condition
---@return string
function Grammar:column_check(table_name, column, check)
    local name = require("eloquent.schema.names").of(table_name, { column.name }, check[1])
    return ("CONSTRAINT %s CHECK (%s)"):format(self:identifier(name), check[2])
end

--- The definition of a column within CREATE TABLE or ADD COLUMN.
---@param table_name string
---@param column eloquent.ColumnData
---@return string
function Grammar:column_definition(table_name, column)
    local parts = { self:identifier(column.name), self:type_of(column) }
    if column.type == "increments" or column.type == "bigIncrements" then
        parts[#parts + 1] = self.increments
    else
        parts[#parts + 1] = column.nullable and "NULL" or "NOT NULL"
    end
    parts[#parts + 1] = self:default_of(column)
    parts[#parts + 1] = self:column_suffix(column)
    for _, check in ipairs(self:checks_of(column)) do
        parts[#parts + 1] = self:column_check(table_name, column, check)
    end
    return table.concat(parts, " ")
end

-- }======

-- {====== Keys ======

--- ` ON DELETE ... ON UPDATE ...` of a foreign key.
---@param key eloquent.ForeignKeySpec
---@return string
function Grammar:actions_of(key)
    local text = ""
    for _, item in ipairs({ { "DELETE", key.onDelete }, { "UPDATE", key.onUpdate } }) do
        if item[2] then
            self:check_action(key, item[2])
            text = ("%s ON %s %s"):format(text, item[1], item[2])
        end
    end
    return text
end

--- Raises where the engine doesn't have the action.
function Grammar.check_action() end

--- The table that a foreign key refers to, seen from `table_name`.
function Grammar:referenced(_, key)
    return self:table_name(key.table)
end

function Grammar:foreign_key(table_name, key)
    return ("CONSTRAINT %s FOREIGN KEY (%s) REFERENCES %s (%s)%s"):format(
        self:identifier(key.name),
        self:columns(key.columns),
        self:referenced(table_name, key),
        self:columns(key.references),
        self:actions_of(key)
    )
end

function Grammar:check(check)
    return ("CONSTRAINT %s CHECK (%s)"):format(
        self:identifier(check.name),
        check.expression
    )
end

--- CREATE INDEX of an index.
function Grammar:create_index(table_name, index)
    local schema, bare = self:split_table(table_name)
    local name, on = self:index_names(schema, bare, index.name)
    return ("CREATE %sINDEX %s ON %s (%s)%s"):format(
        index.unique and "UNIQUE " or "",
        name,
        on,
        self:columns(index.columns),
        index.where and " WHERE " .. index.where or ""
    )
end

--- The index's and the table's name as CREATE INDEX writes them.
function Grammar:index_names(schema, bare, index_name)
    local qualified = schema and schema .. "." .. bare or bare
    return self:identifier(index_name), self:table_name(qualified)
end

-- }======

-- {====== Operations ======

-- Lines within the parentheses of CREATE TABLE.
function Grammar:table_lines(op)
    local lines = {}
    for _, column in ipairs(op.columns) do
        lines[#lines + 1] = self:column_definition(op.table, column)
    end
    if op.primary then
        lines[#lines + 1] = ("PRIMARY KEY (%s)"):format(self:columns(op.primary))
    end
    for _, key in ipairs(op.foreignKeys) do
        lines[#lines + 1] = self:foreign_key(op.table, key)
    end
    for _, check in ipairs(op.checks) do
        lines[#lines + 1] = self:check(check)
    end
    return lines
end

--- What stands behind the parentheses of CREATE TABLE.
function Grammar.table_suffix(_, _)
    return ""
end

--- Statements that follow CREATE TABLE.
function Grammar:after_create(op)
    local statements = {}
    for _, index in ipairs(op.indexes) do
        statements[#statements + 1] = self:create_index(op.table, index)
    end
    return statements
end

function Grammar:createTable(op)
    local text = ("CREATE TABLE %s (\n    %s\n)%s"):format(
        self:table_name(op.table),
        table.concat(self:table_lines(op), ",\n    "),
        self:table_suffix(op)
    )
    return { text, table.unpack(self:after_create(op)) }
end

function Grammar:dropTable(op)
    local what = op.ifExists and "DROP TABLE IF EXISTS " or "DROP TABLE "
    return { what .. self:table_name(op.table) }
end

function Grammar:alter(op, text, ...)
    return { ("ALTER TABLE %s "):format(self:table_name(op.table)) .. text:format(...) }
end

function Grammar:renameTable(op)
    local _, bare = self:split_table(op.to)
    return self:alter({ table = op.from }, "RENAME TO %s", self:identifier(bare))
end

function Grammar:addColumn(op)
    local column = op.column
    local definition = self:column_definition(op.table, column)
    local statements = self:alter(op, "ADD COLUMN %s", definition)
    if column.foreignKey then
        local key = { table = op.table, foreignKey = column.foreignKey }
        table.move(self:addForeignKey(key), 1, 1, 2, statements)
    end
    return statements
end

function Grammar:dropColumn(op)
    return self:alter(op, "DROP COLUMN %s", self:identifier(op.column))
end

function Grammar:renameColumn(op)
    local from, to = self:identifier(op.from), self:identifier(op.to)
    return self:alter(op, "RENAME COLUMN %s TO %s", from, to)
end

function Grammar:changeColumn(op)
    self:unsupported(
        'the column "%s" of "%s" can\'t be changed by change() yet; '
            .. "write the statement with schema:raw",
        op.column.name,
        op.table
    )
end

function Grammar:addIndex(op)
    return { self:create_index(op.table, op.index) }
end

function Grammar:dropIndex(op)
    local schema = self:split_table(op.table)
    local name = self:identifier(op.name)
    return { "DROP INDEX " .. (schema and self:table_name(schema) .. "." or "") .. name }
end

function Grammar:addForeignKey(op)
    return self:alter(op, "ADD %s", self:foreign_key(op.table, op.foreignKey))
end

function Grammar:dropForeignKey(op)
    return self:alter(op, "DROP CONSTRAINT %s", self:identifier(op.name))
end

function Grammar:addCheck(op)
    return self:alter(op, "ADD %s", self:check(op.check))
end

function Grammar:dropCheck(op)
    return self:alter(op, "DROP CONSTRAINT %s", self:identifier(op.name))
end

function Grammar:addPrimary(op)
    return self:alter(op, "ADD PRIMARY KEY (%s)", self:columns(op.columns))
end

function Grammar:dropPrimary(op)
    return self:alter(op, "DROP PRIMARY KEY")
end

function Grammar:commentTable(op)
    self:unsupported('%s can\'t comment the table "%s" afterwards', self.title, op.table)
end

function Grammar.raw(_, op)
    return { op.sql }
end

local operations = {}
for name in
    ([[createTable dropTable renameTable addColumn dropColumn renameColumn changeColumn
    addIndex dropIndex addForeignKey dropForeignKey addCheck dropCheck addPrimary
    dropPrimary commentTable raw]]):gmatch("%a+")
do
    operations[name] = true
end

--- The statements that carry out an operation, in order.
---@param op table
---@return string[]
function Grammar:compile(op)
    if not operations[op.op] then
        errors.raise({
            kind = "misuse",
            message = ("there is no operation %s"):format(tostring(op.op)),
        })
    end
    return self[op.op](self, op)
end

-- }======

return Grammar
