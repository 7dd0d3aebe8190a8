-- SPDX-License-Identifier: MIT
--
-- A connection as scripts see it: raw SQL with `?` and `:name`, the query builder without
-- a model, transactions. It opens on first use and again after the link was lost, but
-- never inside a transaction.
local core_connection = require("eloquent.core.connection")
local errors = require("eloquent.core.errors")
local new_plan = require("eloquent.core.plan").new

---@class eloquent.Connection
---@field name string
---@field driver string  "sqlite", "pg", "mysql" or "mongo"
---@field kind string    "sql" or "mongo"
---@field target string  where it leads, without credentials
local Connection = {}

--- Raw statements whose text and placeholders are kept.
local KEPT_PLANS <const> = 500

--- What is asked as `db.version` and so on, from the server.
local facts = {}

setmetatable(Connection, {
    __index = function(_, key)
        errors.raise({
            kind = "misuse",
            message = ("a connection has no '%s'"):format(tostring(key)),
        })
    end,
})

local metatable = {
    __index = function(self, key)
        local fact = facts[key]
        if fact then
            return fact(self)
        end
        return Connection[key]
    end,
    __name = "eloquent.Connection",
    __tostring = function(self)
        return ("connection %s (%s)"):format(self.name, self.target)
    end,
}

--- Made by eloquent.connections only.
---@param resolved table  { name=, driver=, options=, target=, kind= }
---@return eloquent.Connection
function Connection.new(resolved)
    return setmetatable({
        name = resolved.name,
        driver = resolved.driver,
        kind = resolved.kind,
        target = resolved.target,
        _options = resolved.options,
        _sources = resolved.sources or false,
        _core = false,
        _lost = false,
        _listener = false,
        _after_commit = false,
        _journal = false,
        _depth = 0,
        _plans = {},
        _plan_count = 0,
    }, metatable)
end

-- A driver says which of its options is wrong; the user has written a variable.
local function name_variable(err, sources)
    local option = errors.is(err, "misuse") and err.message:match("^option ([%w_]+) is ")
    local variable = option and sources and sources[option]
    if variable and variable ~= "default" then
        err.message = variable .. err.message:sub(#("option " .. option) + 1)
    end
    return err
end

local function open(self)
    if self._lost then
        errors.raise({
            kind = "lost",
            connection = self.name,
            driver = self.driver,
            message = ("the connection '%s' was lost inside a transaction, which is undone; "
                .. "nothing of it runs on a new connection"):format(self.name),
        })
    end
    local function lost()
        self._core = false
        self._lost = self._depth > 0
    end
    local ok, core = pcall(core_connection.open, self.name, self.driver, self._options, lost, self.target)
    if not ok then
        error(name_variable(core, self._sources), 0)
    end
    if self._listener then
        core:listen(self._listener)
    end
    self._core = core
    return core
end

--- The open connection of the C core.
function Connection:core()
    return self._core or open(self)
end

function facts.version(self)
    local version = self:core():version()
    local major, minor, patch = version // 10000, version // 100 % 100, version % 100
    if self.driver == "pg" then
        return ("%d.%d"):format(major, minor)
    end
    return ("%d.%d.%d"):format(major, minor, patch)
end

function facts.product(self)
    return self:core():product()
end

-- {{{ raw SQL

--- Native SQL, or a command of MongoDB, and the order of its values, scanned once for each text.
local function prepare(self, sql)
    local known = self._plans[sql]
    if known then
        return known
    end
    if type(sql) ~= "string" then
        errors.raise({
            kind = "misuse",
            message = ("SQL text expected, got a %s"):format(type(sql)),
        })
    end
    local scan = require(self.kind == "sql" and "eloquent.core.placeholder" or "eloquent.mongo.commands").scan
    local native, order, named = scan(sql, self.driver)
    local highest = 0
    for i, position in ipairs(order) do
        if not named then
            highest = math.max(highest, position)
            named = position ~= i and "reordered" or named
        end
    end
    known = {
        plan = new_plan(native),
        order = order,
        named = named == true,
        count = highest,
        straight = not named,
    }
    if self._plan_count >= KEPT_PLANS then
        self._plans, self._plan_count = {}, 0
    end
    self._plans[sql] = known
    self._plan_count = self._plan_count + 1
    return known
end

local function by_name(known, args)
    local values, used = { n = #known.order }, {}
    for i, name in ipairs(known.order) do
        local value = args[name]
        if value == nil then
            errors.raise({
                kind = "misuse",
                message = ("no value for :%s; for NULL pass eloquent.null"):format(name),
            })
        end
        values[i], used[name] = value, true
    end
    for name in pairs(args) do
        if not used[name] and name ~= "n" then
            errors.raise({
                kind = "misuse",
                message = ("the statement has no placeholder :%s"):format(tostring(name)),
            })
        end
    end
    return values
end

local function by_position(known, args)
    local given = args.n or #args
    if given ~= known.count then
        errors.raise({
            kind = "misuse",
            message = ("the statement has %d placeholder%s, %d value%s given"):format(
                known.count,
                known.count == 1 and "" or "s",
                given,
                given == 1 and " was" or "s were"
            ),
        })
    end
    if known.straight then
        return args
    end
    local values = { n = #known.order }
    for i, position in ipairs(known.order) do
        values[i] = args[position]
    end
    return values
end

--- The plan of a text and its values in the order of its placeholders.
local function bind(self, sql, args)
    local known = prepare(self, sql)
    if args == nil then
        args = {}
    elseif type(args) ~= "table" then
        errors.raise({
            kind = "misuse",
            message = ("values are given as a table, { value, ... } or { name = value }; got a %s"):format(
                type(args)
            ),
        })
    end
    if known.named then
        return known.plan, by_name(known, args)
    end
    return known.plan, by_position(known, args)
end

--- All rows of a query.
---
---     for _, user in ipairs(db:select("select * from users where age > ?", { 30 })) do
---       print(user.name)
---     end
---@param sql string   text with `?` or `:name` for values
---@param args? table  { value, ... } or { name = value }; eloquent.null for NULL
---@return eloquent.Collection
function Connection:select(sql, args)
    local plan, values = bind(self, sql, args)
    return self:core():select(plan, values)
end

--- The first row, or nil.
---@param sql string
---@param args? table
---@return eloquent.Record|nil
function Connection:selectOne(sql, args)
    local plan, values = bind(self, sql, args)
    return self:core():first(plan, table.unpack(values, 1, values.n))
end

--- The first column of the first row, or nil.
---@param sql string
---@param args? table
---@return any
function Connection:scalar(sql, args)
    local plan, values = bind(self, sql, args)
    return self:core():scalar(plan, values)
end

--- Runs a statement for its effect.
---@param sql string
---@param args? table
---@return integer affected  rows written
---@return integer lastId    key the engine generated, 0 when none
function Connection:execute(sql, args)
    local plan, values = bind(self, sql, args)
    return self:core():execute(plan, values)
end

--- Streams the rows of a query in constant memory; leaving the loop closes it.
---
---     for row in db:cursor("select * from visits") do print(row.url) end
---@param sql string
---@param args? table
---@return fun(): eloquent.Record|nil
function Connection:cursor(sql, args)
    local plan, values = bind(self, sql, args)
    return self:core():cursor(plan, values)
end

--- Runs several statements in one text, without values.
---@param sql string
function Connection:script(sql)
    self:core():script(sql)
end

-- }}}

--- The query builder on a table without a model.
---
---     db:table("users"):where("age", ">", 30):orderBy("name"):get()
---@param name string
---@return eloquent.Query
function Connection:table(name)
    local query = require("eloquent.query.builder").table(self, name)
    return query
end

--- A collection of a MongoDB connection, for what only MongoDB has.
---
---     eloquent.connection("mongo"):collection("places"):find({ name = "Bern" })
---@param name string
---@return eloquent.MongoCollection
function Connection:collection(name)
    local collection = require("eloquent.mongo.native").collection(self, name)
    return collection
end

--- Runs a command of MongoDB; returns the server's answer, or the documents of its cursor.
---
---     eloquent.connection("mongo"):command{ ping = 1 }
---@param command table  eloquent.doc where the order matters: the command's name comes first
---@return table
function Connection:command(command)
    local answer = require("eloquent.mongo.native").command(self, command)
    return answer
end

--- The names of the collections of a MongoDB database.
---@return string[]
function Connection:collections()
    local names = require("eloquent.mongo.native").collections(self)
    return names
end

--- Runs `fn` in a transaction; see eloquent.transaction.
---@param fn fun(tx: eloquent.Connection): any
---@param options? { attempts?: integer, isolation?: string }
---@return any ...  what `fn` returns
function Connection:transaction(fn, options)
    return require("eloquent.transaction").run(self, fn, options)
end

--- Calls `fn` after each statement with { sql, seconds, rows, failed, connection }; nil
--- stops that. Values are not in it.
---@param fn fun(statement: table)|nil
function Connection:listen(fn)
    self._listener = fn or false
    if self._core then
        self._core:listen(fn)
    end
end

--- The query grammar of this engine.
function Connection:query_grammar()
    local grammar = require("eloquent.query.grammar." .. self.driver)
    self.query_grammar = function()
        return grammar
    end
    return grammar
end

--- The quoting and placeholders of this engine.
---@return eloquent.Dialect
function Connection:dialect()
    return require("eloquent.query.dialect")[self.driver]
end

--- Asks the server for a sign of life.
function Connection:ping()
    self:core():ping()
end

--- Closes the connection; the next use opens it again.
function Connection:close()
    if self._depth > 0 then
        errors.raise({
            kind = "misuse",
            connection = self.name,
            message = ("the connection '%s' cannot be closed inside a transaction"):format(self.name),
        })
    end
    local core = self._core
    self._core = false
    if core then
        core:close()
    end
end


return Connection
