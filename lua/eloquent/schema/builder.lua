-- SPDX-License-Identifier: MIT
--
-- What eloquent.schema() returns: creates, changes and asks for tables. It turns calls
-- into operations and runs what the engine's grammar makes of them; migrations record the
-- same operations instead.

local blueprint = require("eloquent.schema.table")
local connections = require("eloquent.connections")
local errors = require("eloquent.core.errors")
local nearest = require("eloquent.support.nearest")
local operation = require("eloquent.schema.operation")
local registry = require("eloquent.model.registry")

---@class eloquent.Schema
---@field _connection eloquent.Connection|nil nil: each model's own, or the default one
---@field _operations table[]|nil where operations are recorded instead of run
local Schema = {}

local function fail(message, ...)
    errors.raise({ kind = "misuse", message = message:format(...) })
end

local class = {
    __name = "eloquent.Schema",
    __index = function(_, key)
        local method = Schema[key]
        if method == nil then
            fail(
                'a schema has no "%s"%s',
                tostring(key),
                nearest.hint(key, Schema, { alter = "table", has = "hasTable" })
            )
        end
        return method
    end,
}

local function check_self(self, method)
    if type(self) ~= "table" or getmetatable(self) ~= class then
        fail("schema.%s is called with a colon: schema:%s(...)", method, method)
    end
end

-- The name of a table, from a string or a model.
local function table_of(self, method, value)
    check_self(self, method)
    if registry.is_model(value) then
        return value._table
    end
    if type(value) ~= "string" or value == "" then
        fail("schema:%s takes the name of a table or a model, found a %s", method, type(value))
    end
    return value
end

-- The connection that a call is meant for.
local function connection_of(self, target)
    local given = rawget(self, "_connection")
    if given then
        return given
    end
    if registry.is_model(target) then
        return connections.for_model(target)
    end
    return connections.get()
end

local grammars = setmetatable({}, { __mode = "k" })

local function load_grammar(connection)
    if connection.kind ~= nil and connection.kind ~= "sql" then
        errors.raise({
            kind = "unsupported",
            connection = connection.name,
            message = ("the connection '%s' leads to MongoDB, which has no tables: a collection is there when "
                .. "something is written, its indexes by Model:createIndexes(); see also collections() and "
                .. "collection(name)"):format(
                connection.name
            ),
        })
    end
    return require("eloquent.schema.grammar." .. connection.driver)
end

-- The grammar for the connection's server; asked for once.
local function grammar_of(connection)
    local core = connection:core()
    local grammar = grammars[core]
    if not grammar then
        grammar = load_grammar(connection):new(core:product(), core:version())
        grammars[core] = grammar
    end
    return grammar
end

local function run_statements(core, statements)
    for _, sql in ipairs(statements) do
        core:script(sql)
    end
end

-- Refuses to drop a table that others refer to where the engine itself does not.
local function check_drop(connection, grammar, op)
    if op.op ~= "dropTable" or not grammar.referring_table then
        return
    end
    local sql, args = grammar:referring_table(op.table)
    local plan = require("eloquent.core.plan").new(sql)
    local other = connection:core():scalar(plan, args)
    if other then
        errors.raise({
            kind = "foreignKey",
            connection = connection.name,
            driver = connection.driver,
            table = op.table,
            message = ("%s can't be dropped while %s refers to it by a foreign key; drop that table first"):format(
                op.table,
                other
            ),
        })
    end
end

-- All statements or none, where the engine can.
local function run(connection, operations)
    local grammar, core = grammar_of(connection), connection:core()
    local statements = {}
    for _, op in ipairs(operations) do
        check_drop(connection, grammar, op)
        local compiled = grammar:compile(op)
        table.move(compiled, 1, #compiled, #statements + 1, statements)
    end
    if not core:can("ddlInTransaction") then
        if core:txstate() ~= "none" then
            errors.raise({
                kind = "unsupported",
                connection = connection.name,
                driver = connection.driver,
                message = ("%s commits the running transaction before it changes a table; "):format(
                    grammar.title
                ) .. "change tables outside of transactions",
            })
        end
        run_statements(core, statements)
    elseif #statements == 1 then
        run_statements(core, statements)
    else
        connection:transaction(function()
            run_statements(connection:core(), statements)
        end)
    end
end

local function perform(self, target, operations)
    local record = rawget(self, "_operations")
    if record then
        table.move(operations, 1, #operations, #record + 1, record)
    elseif #operations > 0 then
        run(connection_of(self, target), operations)
    end
end

local function described(name, method, describe)
    if type(describe) ~= "function" then
        fail(
            'schema:%s("%s", ...) takes a function that describes the table, found a %s',
            method,
            name,
            type(describe)
        )
    end
    local t = blueprint.new(name)
    describe(t)
    return t
end

--- Creates a table: the one that a function describes, or that of a model. Without a
--- connection of its own, the schema creates a model's table where the model lives.
---
---     schema:create("users", function(t) t:id(); t:string("name", 100) end)
---     schema:create(User)
---
---@param target string|table name of the table, or a model
---@param describe fun(t: eloquent.Table)|nil
function Schema:create(target, describe)
    local name = table_of(self, "create", target)
    if registry.is_model(target) then
        if describe ~= nil then
            fail("schema:create takes a model, or a name and a function; found both")
        end
        perform(self, target, { operation.from_model(target) })
        return
    end
    local t = described(name, "create", describe)
    perform(self, target, { blueprint.create_operation(t) })
end

--- Changes an existing table: adds and drops columns, indexes and keys.
---
---     schema:table("users", function(t) t:string("phone", 40):nullable(); t:dropColumn("fax") end)
---
---@param target string|table
---@param describe fun(t: eloquent.Table)
function Schema:table(target, describe)
    local name = table_of(self, "table", target)
    local t = described(name, "table", describe)
    perform(self, target, blueprint.change_operations(t))
end

--- Drops a table with its rows.
---@param target string|table
function Schema:drop(target)
    local name = table_of(self, "drop", target)
    perform(self, target, { { op = "dropTable", table = name } })
end

--- Drops a table with its rows when there is one.
---@param target string|table
function Schema:dropIfExists(target)
    local name = table_of(self, "dropIfExists", target)
    perform(self, target, { { op = "dropTable", table = name, ifExists = true } })
end

--- Gives a table another name.
---@param from string|table
---@param to string
function Schema:rename(from, to)
    local name = table_of(self, "rename", from)
    if type(to) ~= "string" or to == "" then
        fail("schema:rename takes the new name as its second argument, found a %s", type(to))
    end
    perform(self, from, { { op = "renameTable", from = name, to = to } })
end

--- Runs SQL as it stands; several statements are allowed.
---@param sql string
function Schema:raw(sql)
    check_self(self, "raw")
    if type(sql) ~= "string" or sql == "" then
        fail("schema:raw takes SQL text, found a %s", type(sql))
    end
    perform(self, nil, { { op = "raw", sql = sql } })
end

-- Runs a catalog query that counts; true when it finds something.
local function found(self, target, method, ...)
    if rawget(self, "_operations") then
        errors.raise({
            kind = "unsupported",
            message = "what is recorded can't depend on what the database has now; "
                .. "take dropIfExists, or ask outside of the recording",
        })
    end
    local connection = connection_of(self, target)
    local grammar = grammar_of(connection)
    local sql, args = grammar[method](grammar, ...)
    local plan = require("eloquent.core.plan").new(sql)
    return connection:core():scalar(plan, args) > 0
end

--- Whether there is such a table.
---@param target string|table
---@return boolean
function Schema:hasTable(target)
    local name = table_of(self, "hasTable", target)
    return found(self, target, "table_exists", name)
end

--- Whether there is such a table with such a column.
---@param target string|table
---@param column string
---@return boolean
function Schema:hasColumn(target, column)
    local name = table_of(self, "hasColumn", target)
    if type(column) ~= "string" or column == "" then
        fail(
            "schema:hasColumn takes a column's name as its second argument, found a %s",
            type(column)
        )
    end
    return found(self, target, "column_exists", name, column)
end

local builder = {}

--- The schema of a connection: tables are created, changed and asked for there. Without a
--- name it is the default connection, and each model's own for calls that name a model.
---@param name string|nil
---@return eloquent.Schema
function builder.schema(name)
    local connection = name ~= nil and connections.get(name) or nil
    if connection then
        load_grammar(connection)
    end
    return setmetatable({ _connection = connection }, class)
end

--- A schema on one connection object.
---@param connection eloquent.Connection
---@return eloquent.Schema
function builder.on(connection)
    return setmetatable({ _connection = connection }, class)
end

--- A schema that runs nothing and records operations.
---@return eloquent.Schema
---@return table[] operations grows with each call
function builder.recorder()
    local operations = {}
    return setmetatable({ _operations = operations }, class), operations
end

--- The statements of operations on an engine, without a server.
---@param driver "sqlite"|"pg"|"mysql"
---@param operations table[]
---@param product string|nil "mariadb", "mysql"; what a server would say
---@param version integer|nil
---@return string[]
function builder.compile(driver, operations, product, version)
    local grammar = require("eloquent.schema.grammar." .. driver):new(product, version)
    local statements = {}
    for _, op in ipairs(operations) do
        local compiled = grammar:compile(op)
        table.move(compiled, 1, #compiled, #statements + 1, statements)
    end
    return statements
end

return builder
