-- SPDX-License-Identifier: MIT
--
-- Keys that count up: one document in `counters` for each collection, raised in one step,
-- so that no number is given twice. It is raised outside transactions, as counters of SQL
-- are: a rollback leaves a gap, and transactions don't wait for each other.
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

-- The connection to count on: another one while a transaction runs.
local function core_of(connection)
    if connection._depth == 0 then
        return connection:core()
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
    return other:core()
end

-- The largest number that documents have which no counter knows of.
local function largest(core, model)
    local text = require("eloquent.query.grammar.mongo_text")
    local name = text.string(model._counter)
    local path = text.string("$" .. model._counter)
    local command = ('{"aggregate":%s,"pipeline":[{"$match":{%s:{"$type":"number"}}},'
        .. '{"$group":{"_id":null,"top":{"$max":%s}}}],"cursor":{},"$fields":["top"]}'):format(
        text.string(model._table), name, path)
    return core:scalar(new_plan(command, nil, nil, { once = true }), {}) or 0
end

--- Takes the next n numbers of a model; returns the first of them.
---@param connection eloquent.Connection
---@param model table
---@param n integer
---@return integer
function counters.take(connection, model, n)
    local core = core_of(connection)
    local last = core:scalar(plan_of(TAKE), { model._table, n })
    if not last then
        core:execute(plan_of(RAISE), { model._table, math.tointeger(largest(core, model)) or 0 })
        last = core:scalar(plan_of(TAKE), { model._table, n })
    end
    return last - n + 1
end

--- Numbers up to `number` are not given any more.
---@param connection eloquent.Connection
---@param model table
---@param number integer
function counters.raise(connection, model, number)
    local core = core_of(connection)
    local known = core:scalar(plan_of('{"find":"counters","filter":{"_id":?},"limit":1,"$fields":["seq"]}'),
        { model._table })
    if not known then
        number = math.max(number, math.tointeger(largest(core, model)) or 0)
    end
    if not known or known < number then
        core:execute(plan_of(RAISE), { model._table, number })
    end
end

--- Numbers begin at 1 again.
function counters.drop(connection, name)
    core_of(connection):execute(plan_of(DROP), { name })
end

return counters
