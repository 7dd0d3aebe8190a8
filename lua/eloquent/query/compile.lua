-- SPDX-License-Identifier: MIT
-- From a node to a statement: gathers the components of its path, has the grammar write the SQL, and notes
-- which value stands behind each placeholder and which column it is meant for. Runs once for each shape.
local fields = require("eloquent.query.fields")
local node = require("eloquent.query.node")
local placeholder = require("eloquent.core.placeholder")

local misuse = fields.misuse
local compile = {}

local grammars = {}

local function grammar_of(driver)
    local grammar = grammars[driver]
    if not grammar then
        if driver ~= "sqlite" and driver ~= "pg" and driver ~= "mysql" and driver ~= "mongo" then
            return misuse("the query builder has no grammar for the driver '%s'", tostring(driver))
        end
        grammar = require("eloquent.query.grammar." .. driver)
        grammars[driver] = grammar
    end
    return grammar
end

-- {====== The parts of a query ======

local list_clauses = { joins = true, wheres = true, groups = true, havings = true, orders = true, unions = true }

local function gather_column(q, c)
    if c.kind == "clear" then
        q.columns = nil
    else
        q.columns = q.columns or {}
        q.columns[#q.columns + 1] = c
    end
end

--- The parts of the query that ends at a node.
---@param at eloquent.Node
---@return table
function compile.parts(at)
    local root = at.root
    local q = {
        root = root, model = root.model, table = root.table, alias = root.alias,
        joins = {}, wheres = {}, groups = {}, havings = {}, orders = {}, unions = {},
    }
    for _, c in ipairs(node.components(at)) do
        local clause = c.clause
        if clause == "columns" then
            gather_column(q, c)
        elseif c.clear then
            q.orders = {}
        elseif list_clauses[clause] then
            q[clause][#q[clause] + 1] = c
        elseif clause == "from" then
            q.table, q.alias = c.table, c.alias
        elseif clause == "lock" then
            q.lock, q.wait = c.lock or q.lock, c.wait or q.wait
        else
            q[clause] = c
        end
    end
    q.qualify = #q.joins > 0
    return q
end

-- }======
-- {====== What grammars write with ======

---@class eloquent.Context
local Context = {}
Context.__index = Context

--- A placeholder for the value at `index` of the path; `column` names what it is for.
function Context:bind(index, column)
    local n = #self.order + 1
    self.order[n] = self.base + index
    self.params[n] = column or false
    return self.grammar:placeholder(n)
end

--- The same for a value that `encoder` turns into something else before it is sent.
function Context:bind_encoded(index, encoder)
    self.encode = self.encode or {}
    self.encode[#self.order + 1] = encoder
    return self:bind(index, false)
end

--- The placeholder of a value that is compared with a field: what the field's column makes of it. A plan knows the
--- columns of one model, so in a subquery about another one that is done before.
function Context:bind_for(index, q, field)
    local own = q.model ~= nil and q.model == q.root.model and fields.own(q.root, field)
    if not own or q.model == self.model then
        return self:bind(index, own)
    end
    return self:bind_encoded(index, fields.normal(q.model, own))
end

--- What `fn(...)` makes of components whose values begin after those before `c`.
function Context:within(c, fn, ...)
    local outer = self.base
    self.base = outer + c.first - 1
    local result = fn(...)
    self.base = outer
    return result
end

--- The parts of a nested query.
function Context.parts(_, at)
    return compile.parts(at)
end

--- The text of a subquery, without parentheses.
function Context:subquery(c)
    return self:within(c, self.grammar.select, self.grammar, self, compile.parts(c.sub))
end

-- Raw text with native placeholders that go on counting where the statement is.
local function scan(self, e)
    local sql, driver = e.sql, self.grammar.name
    local before = self.grammar.numbered and #self.order or 0
    if before == 0 then
        return placeholder.scan(sql, driver)
    end
    local given, native = {}, {}
    for i = 1, before do
        given[i] = e.names and ":eloquent_" .. i or "?"
        native[i] = "$" .. i
    end
    local ahead = table.concat(native, ",") .. ","
    local text, order = placeholder.scan(table.concat(given, ",") .. "," .. sql, driver)
    return text:sub(#ahead + 1), table.move(order, before + 1, #order, 1, {}), before
end

local function place_of(e, entry, skipped)
    if type(entry) == "number" then
        return entry - skipped
    end
    for i, name in ipairs(e.names or {}) do
        if name == entry then
            return i
        end
    end
    return misuse("raw SQL names :%s, but its bindings have no such name", entry)
end

--- Raw text; its values begin at `first`.
function Context:raw(e, first)
    local text, order, skipped = scan(self, e)
    local used = {}
    for _, entry in ipairs(order) do
        local place = place_of(e, entry, skipped or 0)
        if place > #e.values then
            misuse("raw SQL has more '?' than the %d values that came with it: %s", #e.values, e.sql)
        end
        used[place] = true
        self:bind(first + place - 1)
    end
    for i = 1, #e.values do
        if not used[i] then
            misuse("raw SQL came with %d values and uses fewer: %s", #e.values, e.sql)
        end
    end
    return text
end

-- }======

local function in_given_order(order, count)
    for i, index in ipairs(order) do
        if index ~= i then
            return false
        end
    end
    return #order == count
end

-- A statement of more values than this is not kept prepared: lists of each length are a text of their own, and
-- PostgreSQL would go on with the plan that it made while the table was small.
local WIDE = 100

--- The statement of a node for a driver: sql, params (the columns of its placeholders), order (the values that
--- they take, when it isn't theirs) and encoders.
---@param at eloquent.Node
---@param driver string
---@return table
function compile.statement(at, driver)
    local grammar = grammar_of(driver)
    local cx = setmetatable({
        grammar = grammar, model = at.root.model, base = 0, order = {}, params = {},
    }, Context)
    local q = compile.parts(at)
    if not q.table then
        return misuse("this query has no table; name it with from('table')")
    end
    local write = q.action and q.action.verb or "select"
    local sql = grammar[write](grammar, cx, q)
    if #cx.order > grammar.max_params then
        return misuse("the query binds %d values and %s takes %d in one statement; a list in whereIn counts once when "
            .. "it is longer than 1000", #cx.order, grammar.title, grammar.max_params)
    end
    local statement = {
        sql = sql,
        params = cx.params,
        encode = cx.encode,
        once = q.action and q.action.once or write ~= "insert" and (cx.long_list or #cx.order > WIDE) or nil,
        stream = q.action and q.action.stream,
    }
    if cx.encode or not in_given_order(cx.order, at.count) then
        statement.order = cx.order
    end
    at[driver] = statement
    return statement
end

local new_plan

--- The plan of a statement, made on its first use.
function compile.plan(statement, model)
    new_plan = new_plan or require("eloquent.core.plan").new
    local shape
    if model then
        shape = model:_getShape()
    end
    local options
    if statement.once or statement.stream then
        options = { once = statement.once, stream = statement.stream }
    end
    local plan = new_plan(statement.sql, shape, statement.params, options)
    if not statement.once then
        statement.plan = plan
    end
    return plan
end

return compile
