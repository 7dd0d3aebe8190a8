-- SPDX-License-Identifier: MIT
--
-- The engines that every conformance spec goes through, and their connections. SQLite is
-- a file in a temporary folder; the servers are those of `script/servers`, told by the
-- EL_SPEC_* variables. An engine that is missing is a failure, never a skip.

local Connection = require("eloquent.connection")
local connections = require("eloquent.connections")
local eloquent = require("eloquent")
local env = require("eloquent.core.env")
local errors = require("eloquent.core.errors")
local helper = require("spec.helper")
local quirks = require("spec.conformance.quirks")
local registry = require("eloquent.model.registry")
local schema = require("eloquent.schema.builder")

-- Modules don't see busted's functions as globals, spec files do.
local busted = require("busted")
local describe, it, teardown = busted.describe, busted.it, busted.teardown

local engines = {}

---@class eloquent.SpecEngine
---@field name "sqlite"|"pg"|"mysql"|"mongo"  also the name of its connection
---@field options table<string, string>
---@field has_server boolean
---@field fraction fun(n: integer): string
---@field _made table<string, table>
---@field model fun(name: string)  SqlModel, or MongoModel where the engine keeps documents
local Engine = {}
Engine.__index = Engine

local SERVER_KEYS <const> = { "HOST", "PORT", "USER", "PASSWORD", "NAME" }

-- Options of a server by its variables, or nil and the first that is missing.
local function server_options(prefix)
    local options = {}
    for _, key in ipairs(SERVER_KEYS) do
        local name = ("EL_SPEC_%s_%s"):format(prefix, key)
        options[key:lower()] = os.getenv(name)
        if not options[key:lower()] then
            return nil, name
        end
    end
    return options
end

local function mongo_options()
    local options = { uri = os.getenv("EL_SPEC_MONGO_URI"), db = os.getenv("EL_SPEC_MONGO_DB") }
    if not options.uri or not options.db then
        return nil, options.uri and "EL_SPEC_MONGO_DB" or "EL_SPEC_MONGO_URI"
    end
    return options
end

local function sqlite_options()
    return {
        path = helper.tmpdir() .. "/spec.sqlite",
        journal_mode = "wal",
        synchronous = "normal",
        busy_timeout = "5",
        foreign_keys = "on",
    }
end

local function resolved(engine, name, changes)
    local options = {}
    for key, value in pairs(engine.options) do
        options[key] = value
    end
    for key, value in pairs(changes or {}) do
        options[key] = value or nil
    end
    local target = options.path or options.uri and options.uri:gsub("//[^/@]*@", "//")
        or ("%s:%s/%s"):format(options.host, options.port, options.name)
    local kind = engine.name == "mongo" and "mongo" or "sql"
    return { name = name, driver = engine.name, kind = kind, target = target, options = options }
end

---@type table<string, eloquent.SpecEngine>
local by_name = {}

-- Models pinned to "pg" and the like reach the spec's databases, not those of an .env.
local from_environment = env.connection
function env.connection(name)
    local engine = by_name[name]
    return engine and resolved(engine, name) or from_environment(name)
end

--- The connection of the engine; models with `connectionName = engine.name` share it.
---@return eloquent.Connection
function Engine:db()
    return connections.get(self.name)
end

--- Another connection to the same database; `changes` replaces options, false drops one.
---@param name? string
---@param changes? table<string, string|false>
---@return eloquent.Connection
function Engine:connect(name, changes)
    return Connection.new(resolved(self, name or self.name .. "2", changes))
end

---@return eloquent.Schema
function Engine:schema()
    return schema.on(self:db())
end

--- Makes the tables of these models anew, empty; what refers to others comes last.
function Engine:tables(...)
    local models = { ... }
    if self.name == "mongo" then
        for _, model in ipairs(models) do
            model:truncate()
            if self._made[model._table] ~= model then
                model:collection():drop()
                self:db():command({ create = model._table })
                model:createIndexes()
                self._made[model._table] = model
            end
        end
        return
    end
    for i = #models, 1, -1 do
        self:schema():dropIfExists(models[i])
    end
    for _, model in ipairs(models) do
        self:schema():create(model)
    end
end

--- Drops a table, by its name or its model, where it is there.
function Engine:drop(target)
    if self.name ~= "mongo" then
        return self:schema():dropIfExists(target)
    end
    local name = type(target) == "string" and target or target._table
    self:db():collection(name):drop()
    self._made[name] = nil
end

--- A raw statement: SQL, or the command of MongoDB that does the same.
---@param sql string
---@param command string
---@return string
function Engine:text(sql, command)
    return self.name == "mongo" and command or sql
end

--- Variables of an app whose default connection is this database.
---@return table<string, string>
function Engine:environment()
    local variables = { DB_CONNECTION = self.name }
    if self.name == "mongo" then
        return { DB_CONNECTION = "mongo", MONGO_URI = self.options.uri, MONGO_DB = self.options.db }
    elseif not self.has_server then
        variables.SQLITE_PATH = self.options.path
        return variables
    end
    for _, key in ipairs(SERVER_KEYS) do
        variables[(self.name == "pg" and "PG_" or "DB_") .. key] = self.options[key:lower()]
    end
    return variables
end

--- Starts a script in another process, with this database as its default connection.
---@param code string
---@return file* pipe  what it prints, errors too; closing it waits for its end
function Engine:spawn(code)
    local words = { "env" }
    for name, value in pairs(self:environment()) do
        words[#words + 1] = helper.quote(name .. "=" .. value)
    end
    local dir = helper.tmpdir()
    helper.write(dir, "script.lua", code)
    local line = ("cd %s && exec %s %s run script.lua 2>&1"):format(
        helper.quote(dir),
        table.concat(words, " "),
        helper.quote(helper.binary())
    )
    return assert(io.popen(line))
end

-- `it` for a suite and an engine: a case that quirks.lua names has to fail.
local function case_of(suite, engine, seen)
    local known = quirks[suite] or {}
    return function(name, fn)
        local quirk = known[name]
        local reason = quirk and quirk[engine.name]
        if quirk then
            seen[name] = true
        end
        if not reason then
            it(name, fn)
            return
        end
        it(name .. " [quirk]", function()
            if pcall(fn) then
                error(("%s can do this now, take it out of quirks.lua: %s"):format(engine.name, reason), 0)
            end
        end)
    end
end

local titles = { sqlite = "SQLite", pg = "PostgreSQL", mysql = "MySQL", mongo = "MongoDB" }

local function new(name, options)
    local engine = setmetatable({
        name = name,
        title = titles[name],
        options = options,
        has_server = name ~= "sqlite",
        -- The n-th of the shortest times that a timestamp tells apart.
        fraction = function(n)
            return (name == "mongo" and ".%03d" or ".%06d"):format(n)
        end,
        model = name == "mongo" and eloquent.MongoModel or eloquent.SqlModel,
        _made = {}, -- the models of the collections that were made
    }, Engine)
    by_name[name] = engine
    return engine
end

local function run(suite, name, options, missing, seen, body)
    describe(("%s on %s:"):format(suite, titles[name]), function()
        if not options then
            it("has a server", function()
                error(missing .. ' is not set: script/servers start, then eval "$(script/servers env)"', 0)
            end)
            return
        end
        local engine = new(name, options)
        engine.it = case_of(suite, engine, seen)
        registry.forget()
        body(engine)
        teardown(function()
            local db = engine:db()
            if db._core then
                db:close()
            end
        end)
    end)
end

--- Runs `body(engine)` for each engine, inside a describe block. It makes its cases with
--- engine.it, so that quirks.lua is heard.
---@param suite string  name of the suite, as in quirks.lua
---@param body fun(engine: eloquent.SpecEngine)
---@param stores? "documents"  also on MongoDB; the suite makes its models by engine.model
function engines.suite(suite, body, stores)
    local seen = {}
    run(suite, "sqlite", sqlite_options(), nil, seen, body)
    local options, missing = server_options("PG")
    run(suite, "pg", options, missing, seen, body)
    options, missing = server_options("MYSQL")
    run(suite, "mysql", options, missing, seen, body)
    if stores == "documents" then
        options, missing = mongo_options()
        run(suite, "mongo", options, missing, seen, body)
    end
    describe(suite, function()
        it("has no quirk that names no case", function()
            for name in pairs(quirks[suite] or {}) do
                assert(seen[name] or not options, ("quirks.lua names '%s', there is none"):format(name))
            end
        end)
    end)
end

--- Runs `body(engine)` for one engine, for what only that one has.
---@param suite string
---@param name "mongo"
---@param body fun(engine: eloquent.SpecEngine)
function engines.only(suite, name, body)
    local options, missing = mongo_options()
    run(suite, name, options, missing, {}, body)
end

--- Runs `fn` and returns what a listener of the connection hears of meanwhile.
---@param db eloquent.Connection
---@param fn fun()
---@param pick? fun(statement: table): any  what is kept of a statement, nil: nothing; else its text
---@return any[]
function engines.statements(db, fn, pick)
    local seen = {}
    db:listen(function(statement)
        if pick then
            seen[#seen + 1] = pick(statement)
        else
            seen[#seen + 1] = statement.sql
        end
    end)
    local ok, why = pcall(fn)
    db:listen(nil)
    assert(ok, tostring(why))
    return seen
end

--- Runs `fn`, which has to raise an error object, and returns that.
---@param fn fun()
---@return eloquent.Error
function engines.failure(fn, ...)
    local ok, err = pcall(fn, ...)
    assert(not ok, "it did not raise")
    if not errors.is(err) then
        error("no error object was raised, but: " .. tostring(err), 2)
    end
    return err
end

return engines
