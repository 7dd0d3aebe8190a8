-- SPDX-License-Identifier: MIT
--
-- What the program adds to documents on their way to MongoDB, because the server makes
-- neither defaults nor keys that count up nor moments: for records and for bulk inserts.
local counters = require("eloquent.support.later")("eloquent.mongo.counters")
local datetime = require("eloquent.core.datetime")
local errors = require("eloquent.core.errors")
local null = require("eloquent.core.null")
local objectid = require("eloquent.core.objectid")

local type = type
local rows = {}

--- The time now, to the millisecond that the server keeps.
function rows.now()
    local now = datetime.now()
    return now - (now.micro % 1000) / 1000000
end

-- {{{ values that a column gets when it has none

local function plain_default(column)
    local value = column.default
    if value == null then
        return null
    elseif type(value) == "table" and require("eloquent.query.expression").is(value) then
        errors.raise({
            kind = "unsupported",
            message = ("the default of '%s' is SQL, which MongoDB has not; give it a value"):format(column.name),
        })
    elseif column.type == "document" and type(value) == "string" then
        return require("eloquent.core.json").decode(value)
    elseif column.type == "decimal" then
        return require("eloquent.core.decimal")(tostring(value))
    end
    return value
end

--- The default of a column, or nil. A table is a new one each time.
function rows.default(column)
    if column.default ~= nil then
        return plain_default(column)
    elseif column.defaultNow then
        return rows.now()
    end
    return nil
end

--- Whether a column of a new record may be as the program has made it.
---@param record eloquent.Record
---@param column table
---@return boolean
function rows.has_made(record, column)
    local core = require("eloquent.core.record")
    local name, model = column.name, core.model(record)
    return name == "_id" or name == model._key or name == model._counter or column.defaultNow
        or column.default ~= nil and core.get(record, name) == rows.default(column)
end

--- A number that a script gave in place of the next one, or nil.
function rows.given_number(value)
    return math.tointeger(value) or type(value) == "string" and math.tointeger(tonumber(value)) or nil
end

-- }}}
-- {{{ columns that can't be NULL

--- Raises: the column has to have a value.
---@param model table
---@param name string
---@param row? integer  of many, 1 the first
function rows.missing(model, name, row)
    errors.raise({
        kind = "notNull",
        connection = model:connection().name,
        driver = "mongo",
        table = model._table,
        column = name,
        row = row,
        message = ("%s%s.%s can't be NULL: give it a value%s"):format(row and ("row %d: "):format(row) or "",
            model._name, name, name ~= model._key and ", or take notNull off the column" or ""),
    })
end

--- What values of a column go through on their way, where it can't be NULL.
---@param model table
---@param name string
---@return fun(value: any): any
function rows.not_null(model, name)
    return function(value)
        return value == null and rows.missing(model, name) or value
    end
end

-- }}}
-- {{{ many rows

-- The next numbers one by one; `n` of them are taken at once.
local function numbers(connection, model, n)
    local first, left = nil, 0
    return function()
        if left == 0 then
            first, left = counters.take(connection, model, n), n
            n = 1
        end
        first, left = first + 1, left - 1
        return first - 1
    end
end

-- One look at each row, as short as it can be: there may be many. Raises for one without a value that it has to have;
-- returns how many have no number yet, and the largest that the others have.
local function survey(model, list, made)
    local name, required = model._counter, model._required
    local n, missing, top = #required, 0, nil
    for i = 1, (name or n > 0) and #list or 0 do
        local row = list[i]
        if type(row) == "table" then
            for k = 1, n do
                local value = row[required[k]]
                if value == null or value == nil and made[required[k]] == nil then
                    rows.missing(model, required[k], #list > 1 and i or nil)
                end
            end
            local value = name and row[name]
            if value == nil then
                missing = missing + 1
            elseif value then
                local number = rows.given_number(value)
                top = number and (not top or number > top) and number or top
            end
        end
    end
    return missing, top
end

local function add_numbers(connection, model, list, made)
    local missing, top = survey(model, list, made)
    if not model._counter then
        return
    end
    if top then
        counters.raise(connection, model, top)
    end
    if missing > 0 then
        made[model._counter] = numbers(connection, model, missing)
    end
end

--- Completes `made`, the values of columns that rows don't name; returns the rows.
---@param connection eloquent.Connection
---@param root table  of the query
---@param list table[]
---@param made table<string, any>
---@return table[]
function rows.complete(connection, root, list, made)
    local model = root.model
    if not model then
        made._id = objectid.new
        return list
    end
    for name, value in pairs(made) do
        if datetime.is(value) then
            made[name] = rows.now()
        end
    end
    if model._open then
        made._id = objectid.new
        for _, name in pairs(model._timestamps or {}) do
            made[name] = made[name] or rows.now()
        end
        return list
    end
    for _, column in ipairs(model._columns) do
        local value = made[column.name] == nil and rows.default(column)
        if value ~= nil and value ~= false or column.default == false then
            made[column.name] = type(value) == "table" and function()
                return rows.default(column)
            end or value
        end
    end
    if not model._counter and made[model._key] == nil
        and (model._key == "_id" or model._column[model._key].type == "objectId") then
        made[model._key] = objectid.new
    end
    add_numbers(connection, model, list, made)
    return list
end

--- Those of the columns that some row names itself, and that of the last change.
---@param columns string[]
---@param list table[]
---@param model table|nil
---@return string[]
function rows.named(columns, list, model)
    local stamp = model and model._timestamps and model._timestamps.updated
    local names, seen = {}, { [stamp or ""] = true }
    for i = 1, #list do
        for name in next, list[i] do
            seen[name] = true
        end
    end
    for _, name in ipairs(columns) do
        names[#names + 1] = seen[name] and name or nil
    end
    return names
end

-- Raises for a value that its column can't hold, before the first row is written.
local function check_values(model, list)
    local shape = model and not model._open and model:_getShape()
    for i = 1, shape and #list or 0 do
        for name, value in next, list[i] do
            shape:normal(name, value)
        end
    end
end

--- Writes each row by itself and leaves out those that a unique index refuses; returns
--- how many were new.
---@param connection eloquent.Connection
---@param model table|nil
---@param list table[]
---@param write fun(i: integer)
---@return integer
function rows.insert_new(connection, model, list, write)
    if connection._depth > 0 then
        errors.raise({
            kind = "unsupported",
            connection = connection.name,
            message = "MongoDB gives up a transaction when a document is there already, so insertOrIgnore can't be "
                .. "part of one; call it outside, or look for the documents first",
        })
    end
    check_values(model, list)
    local new = 0
    for i = 1, #list do
        local ok, why = pcall(write, i)
        if ok then
            new = new + 1
        elseif not errors.is(why, "unique") then
            error(why, 0)
        end
    end
    return new
end

-- }}}

--- Runs `fn` in a transaction where the deployment has them. Inside one it is part of that;
--- there are no savepoints.
---@param connection eloquent.Connection
---@param fn fun(): any
function rows.atomically(connection, fn)
    if connection._depth > 0 or rawget(connection, "_single") then
        return fn()
    end
    local began = false
    local ok, result = pcall(connection.transaction, connection, function()
        began = true
        return fn()
    end)
    if ok then
        return result
    elseif not began and errors.is(result, "unsupported") then
        connection._single = true
        return fn()
    end
    error(result, 0)
end

--- Keys of an emptied collection begin at 1 again.
function rows.reset(connection, root)
    if root.model and root.model._counter then
        counters.drop(connection, root.table)
    end
end

return rows
