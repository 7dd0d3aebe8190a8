-- SPDX-License-Identifier: MIT
--
-- Keys that count up: one document in `counters` for each collection, raised in one step,
-- so that no number is given twice. It is raised outside transactions, as counters of SQL
-- are: a rollback leaves a gap, and transactions don't wait for each other.
local errors = require("eloquent.core.errors")
local new_plan = require("eloquent.core.plan").new

local counters = {}

local TAKE <const> = '{"findAndModify":"counters","query":{"_id":?},"update":{"$inc":{"seq":?}},'
    .. '"new":true,"$fields":["seq"]}'
local RAISE <const> = '{"update":"counters","updates":[{"q":{"_id":?},"u":{"$max":{"seq":?}},'
    .. '"upsert":true}]}'
local DROP <const> = '{"delete":"counters","deletes":[{"q":{"_id":?},"limit":1}]}'

local plans = {}

local function plan_of(text)
    plans[text] = plans[text] or new_plan(text)
    return plans[text]
end

-- The connection to count on, and whether it is another one, as while a transaction runs.
local function core_of(connection)
    if connection._depth == 0 then
        return connection:core(), false
    end
    local other = rawget(connection, "_counters")
    if not other then
        other = require("eloquent.connection").new({
            name = connection.name,
            driver = connection.driver,
            kind = connection.kind,
            target = connection.target,
            options = connection._options,
        })
        connection._counters = other
    end
    return other:core(), true
end

-- Calls a method of that connection. The other one may have been cut since it was used last, which nobody need know.
local function ask(connection, method, plan, values)
    local core, is_other = core_of(connection)
    if not is_other then
        return core[method](core, plan, values)
    end
    local ok, result = pcall(core[method], core, plan, values)
    if not ok and errors.is(result, "connect") then -- nothing was sent
        core = core_of(connection)
        return core[method](core, plan, values)
    elseif not ok then
        error(result, 0)
    end
    return result
end

-- The largest number that documents have which no counter knows of.
local function largest(connection, model)
    local text = require("eloquent.query.grammar.mongo_text")
    local name = text.string(model._counter)
    local command = ('{"find":%s,"filter":{%s:{"$type":"number"}},"sort":{%s:-1},"limit":1,"$fields":[%s]}'):format(
        text.string(model._table), name, name, name)
    return math.tointeger(ask(connection, "scalar", new_plan(command, nil, nil, { once = true }), {}) or 0) or 0
end

--- Takes the next n numbers of a model; returns the first of them.
---@param connection eloquent.Connection
---@param model table
---@param n integer
---@return integer
function counters.take(connection, model, n)
    local last = ask(connection, "scalar", plan_of(TAKE), { model._table, n })
    if not last then
        ask(connection, "execute", plan_of(RAISE), { model._table, largest(connection, model) })
        last = ask(connection, "scalar", plan_of(TAKE), { model._table, n })
    end
    return last - n + 1
end

--- Numbers up to `number` are not given any more.
---@param connection eloquent.Connection
---@param model table
---@param number integer
function counters.raise(connection, model, number)
    local known = ask(connection, "scalar",
        plan_of('{"find":"counters","filter":{"_id":?},"limit":1,"$fields":["seq"]}'), { model._table })
    if not known then
        number = math.max(number, largest(connection, model))
    end
    if not known or known < number then
        ask(connection, "execute", plan_of(RAISE), { model._table, number })
    end
end

--- Numbers begin at 1 again.
function counters.drop(connection, name)
    ask(connection, "execute", plan_of(DROP), { name })
end

return counters
