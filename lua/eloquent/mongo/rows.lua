-- SPDX-License-Identifier: MIT
--
-- What the program adds to documents on their way to MongoDB, because the server makes
-- neither defaults nor keys that count up nor moments: for records and for bulk inserts.
local counters = require("eloquent.support.later")("eloquent.mongo.counters")
local datetime = require("eloquent.core.datetime")
local errors = require("eloquent.core.errors")
local null = require("eloquent.core.null")
local objectid = require("eloquent.core.objectid")
local trees = require("eloquent.support.later")("eloquent.mongo.trees")

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

-- The default of a column, or nil; its own table, for what is sent and seen by nobody.
local function sent_default(column)
    if column.default ~= nil then
        return plain_default(column)
    elseif column.defaultNow then
        return rows.now()
    end
    return nil
end

--- The default of a column, or nil. A table is a new one each time.
function rows.default(column)
    return trees.copy(sent_default(column))
end

--- Whether a column of a new record may be as the program has made it.
---@param record eloquent.Record
---@param column table
---@return boolean
function rows.has_made(record, column)
    local core = require("eloquent.core.record")
    local name, model = column.name, core.model(record)
    return name == "_id" or name == model._key or name == model._counter or column.defaultNow
        or column.default ~= nil and trees.same(core.get(record, name), sent_default(column))
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

-- Numbers of a model one by one, and a function to say how many will be wanted, so that they are taken at once.
-- `anew`: those that are left of earlier ones are too low.
local function numbers(connection, model)
    local next_one, left, wanted = 0, 0, 1
    local function number()
        if left == 0 then
            next_one, left = counters.take(connection, model, wanted), wanted
            wanted = 1
        end
        left, next_one = left - 1, next_one + 1
        return next_one - 1
    end
    local function expect(n, anew)
        left = anew and 0 or left
        wanted = math.max(n - left, 1)
    end
    return number, expect
end

-- One look at each row, as short as it can be: there may be many. Raises for one without a value that it has to have;
-- returns how many have no number yet, and the largest that the others have.
local function survey(model, list, from, made)
    local name, required = model._counter, model._required
    local n, missing, top = #required, 0, nil
    for i = from, (name or n > 0) and #list or 0 do
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
                if value == null then
                    rows.missing(model, name, #list > 1 and i or nil)
                end
                local number = rows.given_number(value)
                top = number and (not top or number > top) and number or top
            end
        end
    end
    return missing, top
end

---@class eloquent.MongoMaking  what is made for rows on their way
---@field connection eloquent.Connection
---@field model table|nil
---@field made table<string, any>  values of columns that rows don't name, or functions that make them
---@field expect fun(n: integer, anew: boolean|nil)|nil  says how many numbers will be wanted
---@field inside boolean  a transaction that was there before
---@field checked boolean|nil
local Making = {}
Making.__index = Making

--- Looks at the rows from `from` on, once, before they are written one way or another: all that have to have a
--- value must have it, and numbers that they bring along are not given to others of them.
---@param list table[]
---@param from integer
function Making:check(list, from)
    local model = self.model
    if self.checked or not model or model._open then
        return
    end
    self.checked = true
    local missing, top = survey(model, list, from, self.made)
    if top and pcall(model._getShape(model).check, model:_getShape(), model._counter, top) then
        counters.raise(self.connection, model, top) -- else the row itself is refused
    end
    if self.expect then
        self.expect(missing, top ~= nil)
    end
end

--- Whether what was written before a mistake stays: on a server without transactions, and inside one that goes on.
---@return boolean
function Making:stays()
    return self.inside or rawget(self.connection, "_single") or false
end

local NOT_NULL <const>, NOT_NAMED <const> = "not null", "not named"

--- What rows from `from` on may not have, so that they can be written without that look, which for many takes as long
--- as writing them; by the place of each column.
---@param list table[]
---@param from integer
---@param columns string[]
---@return table<integer, string>
function Making:rules(list, from, columns)
    local model, keys, rules = self.model, {}, {}
    for k, name in ipairs(model and columns or {}) do
        keys[k] = name == model._key and name ~= model._counter and NOT_NULL or nil
    end
    if self.checked or not model or model._open then
        return keys
    end
    local lacking = #model._required
    for k, name in ipairs(columns) do
        local required = model._column[name].required
        rules[k] = keys[k] or name == model._counter and NOT_NAMED or required and NOT_NULL or nil
        lacking = required and lacking - 1 or lacking
    end
    local brings_number = model._counter and list[from][model._counter] ~= nil
    if lacking > 0 or brings_number then
        self:check(list, from)
        return keys
    end
    if self.expect then
        self.expect(#list - from + 1)
    end
    return rules
end

--- Completes `made`, the values of columns that rows don't name.
---@param connection eloquent.Connection
---@param root table  of the query
---@param made table<string, any>
---@return eloquent.MongoMaking
function rows.making(connection, root, made)
    local model = root.model
    local self = setmetatable({
        connection = connection,
        model = model,
        made = made,
        inside = connection._depth > 0,
    }, Making)
    if not model then
        made._id = objectid.new
        return self
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
        return self
    end
    for _, column in ipairs(model._columns) do
        local value
        if made[column.name] == nil then
            value = sent_default(column)
        end
        if value ~= nil then
            made[column.name] = type(value) == "table" and function()
                return sent_default(column)
            end or value
        end
    end
    if model._counter then
        made[model._counter], self.expect = numbers(connection, model)
    elseif made[model._key] == nil and (model._key == "_id" or model._column[model._key].type == "objectId") then
        made[model._key] = objectid.new
    end
    return self
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

--- Writes each row by itself and leaves out those that a unique index refuses; returns
--- how many were new.
---@param connection eloquent.Connection
---@param root table  of the query
---@param list table[]
---@param write fun(i: integer)
---@return integer
function rows.insert_new(connection, root, list, write)
    if connection._depth > 0 then
        errors.raise({
            kind = "unsupported",
            connection = connection.name,
            message = "MongoDB gives up a transaction when a document is there already, so insertOrIgnore can't be "
                .. "part of one; call it outside, or look for the documents first",
        })
    end
    local _, wrong = require("eloquent.query.faults").find(list, root, true) -- before the first row is written
    if wrong then
        error(wrong, 0)
    end
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

-- How often what is written in one step is tried, where others write the same documents.
local ATTEMPTS <const> = 10

--- Runs `fn` in a transaction where the deployment has them. Inside one it is part of that;
--- there are no savepoints.
---@param connection eloquent.Connection
---@param fn fun(): any
---@param again boolean|nil  tries again when it meets other writes
function rows.atomically(connection, fn, again)
    if connection._depth > 0 or rawget(connection, "_single") then
        return fn()
    end
    local began = false
    local ok, result = pcall(connection.transaction, connection, function()
        began = true
        return fn()
    end, again and { attempts = ATTEMPTS } or nil)
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
