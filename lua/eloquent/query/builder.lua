-- SPDX-License-Identifier: MIT
-- The query builder: what a query is made of and how it meets a connection. A builder holds a node (the shape
-- of the query, see node.lua) and a flat list of values; verbs move it along. Nothing opens before a terminal
-- verb. The verbs are in parts of their own, listed at the end; SQL is made in compile and the grammars.
local expression = require("eloquent.query.expression")
local fields = require("eloquent.query.fields")
local node = require("eloquent.query.node")

local setmetatable, getmetatable, type = setmetatable, getmetatable, type
local misuse = fields.misuse

---@class eloquent.Query
---@field _node eloquent.Node
---@field _values any[]
---@field _via table|false  the connection, when it isn't the model's
---@field _trashed string|false  "with" or "only" softly deleted rows, "scoped" once they are dealt with
local Query = {}
Query.__name = "eloquent.Query"
Query.__index = Query

local builder = { Query = Query }

-- Trees by model, and by connection and table. Weak: a model that is gone takes its tree along.
local trees = setmetatable({}, { __mode = "k" })
local table_trees = setmetatable({}, { __mode = "k" })

-- Required late, because connections know the builder.
local for_model
local compile

local function tree_of(model)
    local root = node.root({ model = model, table = model._table })
    trees[model] = root
    return root
end

local function start(root, via)
    return setmetatable({
        _node = root,
        _values = { nil, nil, nil, nil },
        _via = via or false, -- an absent field would be looked for among the verbs
        _trashed = false,
    }, Query)
end

--- A query on the table of a model. Fields are checked against its schema, rows are its records.
---@param model table
---@param connection table|nil  another connection than the model's own
---@return eloquent.Query
function builder.new(model, connection)
    local root = trees[model]
    if not root or root.full then
        root = tree_of(model)
    end
    return start(root, connection)
end

--- A query on a table without a model: names are quoted but not checked, rows are plain rows.
---
---     builder.table(eloquent.connection("pg"), "users as u"):where("u.id", 1):first()
---@param connection table
---@param name string  a table, "schema.table", or either followed by "as alias"
---@return eloquent.Query
function builder.table(connection, name)
    local known = table_trees[connection]
    if not known then
        known = {}
        table_trees[connection] = known
    end
    local root = known[name]
    if not root or root.full then
        local from, alias = fields.alias(name, "table")
        root = node.root({ table = from, alias = alias })
        known[name] = root
    end
    return start(root, connection)
end

--- Whether a value is a query.
---@return boolean
function builder.is(value)
    return type(value) == "table" and getmetatable(value) == Query
end

--- The tree of conditions in parentheses, of joins and of the queries inside whereExists.
function builder.nested(root, kind)
    if root.nested == kind then
        return root
    end
    local inner = root[kind]
    if not inner or inner.full then
        inner = node.root({ model = root.model, table = root.table, alias = root.alias, nested = kind })
        if kind ~= "group" then
            inner.model, inner.table, inner.alias = nil, nil, nil
        end
        root[kind] = inner
    end
    return inner
end

--- A builder on a tree that the caller has.
builder.start = start

--- A copy that can be changed without changing this query.
---
---     local base = User:where("active", true)
---     local count, rows = base:count(), base:clone():orderBy("name"):get()
---@return eloquent.Query
function Query:clone()
    local values, from = {}, self._values
    for i = 1, self._node.count do
        values[i] = from[i]
    end
    return setmetatable({
        _node = self._node,
        _values = values,
        _via = self._via,
        _trashed = self._trashed,
    }, Query)
end

--- The connection that the query runs on; not opened here.
function Query:_connection()
    local via = self._via
    if via then
        return via
    end
    if not for_model then
        for_model = require("eloquent.connections").for_model
    end
    local model = self._node.root.model
    if not model then
        return misuse("this query has no table to run on; it can only stand inside another query")
    end
    return model._via or for_model(model)
end

--- What is always true of a model's queries is added here, on every query before it runs or is put inside
--- another one: rows that were deleted softly are hidden. Returns the query to use instead of `self`, which
--- stays as it is.
---@return eloquent.Query
function Query:_scopes()
    local root = self._node.root
    local column = root.model and root.model._soft_deletes
    local mode = self._trashed
    if not column or mode == "with" or mode == "scoped" then
        return self
    end
    local q = self:clone():_fence()
    local field = (root.alias or root.table) .. "." .. column
    if mode == "only" then
        q:whereNotNull(field)
    else
        q:whereNull(field)
    end
    q._trashed = "scoped"
    return q
end

--- Moves on to a node and keeps a list of values for its step.
function Query:_take(to, values)
    local first = to.c.first
    local kept = self._values
    for i = 1, to.c.width do
        kept[first + i - 1] = values[i]
    end
    self._node = to
    return self
end

--- Checks that a value may stand inside this query as a subquery; returns it with its scopes.
function Query:_subquery(value, verb)
    if type(value) == "function" then
        local inner = start(builder.nested(self._node.root, "blank"), self._via or self:_connection())
        value(inner)
        value = inner
    end
    if not builder.is(value) then
        return misuse("%s expects a query or a function that builds one, got a %s", verb, type(value))
    end
    if value._node.root.model or value._via then
        local here, there = self:_connection(), value:_connection()
        if here ~= there and here.name ~= there.name then
            return misuse("%s: a subquery on the connection '%s' can't be part of a query on '%s'; "
                .. "read its values first (pluck) and use whereIn", verb, there.name, here.name)
        end
    end
    return value:_scopes()
end

--- Sets the table of a query that has none yet (inside whereExists), or another alias.
---
---     User:whereExists(function(q) q:from("posts"):whereColumn("posts.user_id", "users.id") end)
---@param name string  "posts" or "posts as p"
---@return eloquent.Query
function Query:from(name)
    local at = self._node
    if at.root.model then
        return misuse("from: a query of %s reads its own table", at.root.model._name)
    end
    local to = node.peek(at, "from", name)
    if not to then
        local from, alias = fields.alias(name, "from")
        to = node.extend(at, "from", name, { clause = "from", table = from, alias = alias }, 0)
    end
    self._node = to
    return self
end

--- Calls `fn(query, condition)` when the condition is neither nil nor false, else `otherwise`.
---
---     User:when(name, function(q) q:where("name", name) end):get()
---@param condition any
---@param fn fun(query: eloquent.Query, condition: any)
---@param otherwise fun(query: eloquent.Query, condition: any)|nil
---@return eloquent.Query
function Query:when(condition, fn, otherwise)
    if condition then
        fn(self, condition)
    elseif otherwise then
        otherwise(self, condition)
    end
    return self
end

--- Calls `fn(query, condition)` when the condition is nil or false.
---@return eloquent.Query
function Query:unless(condition, fn, otherwise)
    return self:when(not condition, fn, otherwise)
end

--- Calls `fn(query)` and goes on with the query.
---
---     User:tap(print):get()
---@return eloquent.Query
function Query:tap(fn)
    fn(self)
    return self
end

-- The values in the order of the placeholders, for statements that take them in another one.
local function arguments(statement, values)
    local order, encode, args = statement.order, statement.encode, {}
    for i = 1, #order do
        args[i] = values[order[i]]
    end
    if encode then
        for i, encoder in next, encode do
            args[i] = encoder(args[i])
        end
    end
    return args
end

--- What a terminal verb needs: the C connection, the plan of the node's statement, and its arguments.
---@param at eloquent.Node
---@param values any[]
---@param connection table
function builder.prepare(at, values, connection)
    local statement = at[connection.driver]
    if not statement then
        compile = compile or require("eloquent.query.compile")
        statement = compile.statement(at, connection.driver)
    end
    local plan = statement.plan
    if not plan then
        plan = compile.plan(statement, at.root.model)
    end
    if statement.order then
        values = arguments(statement, values)
    end
    return connection:core(), plan, values
end

--- The SQL text and the list of its values. Needs no database.
---
---     print(User:where("id", 1):toSql())
---@return string sql
---@return any[] bindings
function Query:toSql()
    local q = self:_scopes()
    local driver = q:_connection().driver
    compile = compile or require("eloquent.query.compile")
    local statement = q._node[driver] or compile.statement(q._node, driver)
    if statement.order then
        return statement.sql, arguments(statement, q._values)
    end
    return statement.sql, q:clone()._values
end

function Query:__tostring()
    local model = self._node.root.model
    return "query of " .. (model and model._name or tostring(self._node.root.table or "nothing"))
end

builder.raw = expression.raw

--- The time now, as the connection's columns keep it.
---@param connection eloquent.Connection
function builder.now(connection)
    local documents = connection.driver == "mongo"
    return require(documents and "eloquent.mongo.rows" or "eloquent.core.datetime").now()
end

-- {{{ verbs

local function add(part)
    require("eloquent.query." .. part)(Query, builder)
end

for _, part in ipairs({ "conditions", "clauses", "reads" }) do
    add(part)
end

-- Parts that many scripts do without, and their verbs: each is read when one of them is called first.
local LATER <const> = {
    subjects = " \z
        whereIn orWhereIn whereNotIn orWhereNotIn whereNull orWhereNull whereNotNull orWhereNotNull whereBetween \z
        orWhereBetween whereNotBetween orWhereNotBetween whereColumn orWhereColumn whereLike orWhereLike whereNotLike \z
        orWhereNotLike whereDate orWhereDate whereYear orWhereYear whereMonth orWhereMonth whereDay orWhereDay \z
        whereExists orWhereExists whereNotExists orWhereNotExists whereRaw orWhereRaw havingRaw orHavingRaw on orOn ",
    aggregates = " count sum avg min max ",
    iterate = " each chunk chunkById lazy _after ",
    writes = " update increment decrement delete forceDelete truncate ",
    trash = " withTrashed onlyTrashed withoutTrashed restore ",
    inserts = " insert insertOrIgnore insertGetId upsert ",
}

local later_verbs = {}
for _, verbs in pairs(LATER) do
    later_verbs[#later_verbs + 1] = verbs
end
-- Loops over a query that nobody has run would see no row, and say nothing.
local function no_rows()
    return misuse("a query has no rows before it is run: end it with get(), or loop with each() or cursor()")
end
Query.__len, Query.__pairs = no_rows, no_rows

-- A misspelled verb; fields of the query itself begin with "_" and may be absent.
local misspelled = require("eloquent.support.verbs").missing("a query", Query, table.concat(later_verbs))
local function missing(_, name)
    return math.type(name) == "integer" and no_rows() or misspelled(nil, name)
end

setmetatable(Query, { __index = require("eloquent.support.parts")(Query, LATER, add, missing) })

-- }}}

return builder
