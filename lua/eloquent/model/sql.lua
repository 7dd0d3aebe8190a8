-- SPDX-License-Identifier: MIT
--
-- The SQL that models write with: one plan for each set of columns, made once for a model
-- on a connection. Reading is the query builder's.
local new_plan = require("eloquent.core.plan").new

local sql = {}

--- Plans of one model on one connection.
---@class eloquent.ModelPlans
---@field connection eloquent.Connection
---@field find any|nil
---@field delete any|nil
---@field insert table<integer|string, table>
---@field update table<integer|string, any>

--- Cached plans of a model for its connection.
---@param model table
---@param connection eloquent.Connection
---@return eloquent.ModelPlans
function sql.plans(model, connection)
    local plans = model._plans
    if not plans or plans.connection ~= connection then
        plans = { connection = connection, insert = {}, update = {} }
        rawset(model, "_plans", plans)
    end
    return plans
end

local function quoted(dialect, names)
    local list = {}
    for i, name in ipairs(names) do
        list[i] = dialect:quote(name)
    end
    return table.concat(list, ", ")
end

--- `select <all columns> from <table> where <key> = ?`
function sql.find(model, dialect)
    local columns = model:_getShape():columns()
    local text = ("select %s from %s where %s = %s limit 1"):format(
        quoted(dialect, columns),
        dialect:name_of(model._table),
        dialect:quote(model._key),
        dialect:placeholder(1)
    )
    return new_plan(text, model:_getShape(), { model._key })
end

--- `insert into <table> (<names>) values (...)`, and what the engine fills itself.
---@return table  { plan =, reads = names to read back afterwards, or nil }
function sql.insert(model, dialect, names, core)
    local given, params, places = {}, {}, {}
    for i, name in ipairs(names) do
        given[name] = true
        params[i] = name
        places[i] = dialect:placeholder(i)
    end
    local missing, generated = {}, nil
    for _, column in ipairs(model._columns) do
        if not given[column.name] then
            if column.type == "increments" or column.type == "bigIncrements" then
                generated = column.name
            end
            missing[#missing + 1] = column.name
        end
    end
    local text = "insert into " .. dialect:name_of(model._table)
    if #names > 0 then
        text = ("%s (%s) values (%s)"):format(text, quoted(dialect, names), table.concat(places, ", "))
    else
        text = text .. dialect:empty_insert()
    end
    -- The generated key alone comes with the answer of most engines, for nothing.
    local only_key = generated and #missing == 1 and dialect.reports_last_id
    local reads = #missing > 0 and not only_key and missing or nil
    if reads and dialect:returns(core) then
        text = text .. " returning " .. quoted(dialect, missing)
        reads, generated = nil, nil
    end
    return {
        plan = new_plan(text, model:_getShape(), params, { generated = generated }),
        reads = reads,
    }
end

--- `select <names> from <table> where <key> = ?`, after an insert that returns nothing.
function sql.read_back(model, dialect, names)
    local text = ("select %s from %s where %s = %s"):format(
        quoted(dialect, names),
        dialect:name_of(model._table),
        dialect:quote(model._key),
        dialect:placeholder(1)
    )
    local shape = model:_getShape()
    return new_plan(text, shape, { model._key })
end

--- `update <table> set <names> where <key> = <its original value>`
function sql.update(model, dialect, names)
    local sets, params = {}, {}
    for i, name in ipairs(names) do
        sets[i] = dialect:quote(name) .. " = " .. dialect:placeholder(i)
        params[i] = name
    end
    params[#params + 1] = "=" .. model._key
    local text = ("update %s set %s where %s = %s"):format(
        dialect:name_of(model._table),
        table.concat(sets, ", "),
        dialect:quote(model._key),
        dialect:placeholder(#params)
    )
    return new_plan(text, model:_getShape(), params)
end

--- `delete from <table> where <key> = <its original value>`
function sql.delete(model, dialect)
    local text = ("delete from %s where %s = %s"):format(
        dialect:name_of(model._table),
        dialect:quote(model._key),
        dialect:placeholder(1)
    )
    return new_plan(text, model:_getShape(), { "=" .. model._key })
end

return sql
