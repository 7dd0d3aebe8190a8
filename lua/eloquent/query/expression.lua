-- SPDX-License-Identifier: MIT
-- eloquent.raw: SQL text that a query takes as it stands, with the values of its placeholders.
-- Nothing else turns a string into SQL; where the text ends up is decided by the grammars.
local errors = require("eloquent.core.errors")

local type, getmetatable, setmetatable = type, getmetatable, setmetatable

---@class eloquent.Expression
---@field sql string
---@field values any[]      values of the placeholders, by position or in the order of `names`
---@field names string[]|nil  names of the placeholders, sorted, when they are `:name`
local Expression = {}
Expression.__index = Expression
Expression.__name = "eloquent.Expression"

function Expression:__tostring()
    return "raw SQL: " .. self.sql
end

local expression = {}

local function misuse(message, ...)
    errors.raise({ kind = "misuse", message = message:format(...) })
end

local function named(bindings, verb)
    local names, values = {}, {}
    for name in pairs(bindings) do
        if type(name) ~= "string" then
            misuse("%s: bindings are a list for '?' or a table of names for ':name', not both", verb)
        end
        names[#names + 1] = name
    end
    table.sort(names)
    for i, name in ipairs(names) do
        values[i] = bindings[name]
    end
    return values, names
end

--- Number of items of a list; raises when the list has holes or keys of other kinds.
---@param list table  a plain list, or the result of table.pack
---@param verb string  for the message
---@return integer
function expression.length(list, verb)
    local n = math.type(rawget(list, "n")) == "integer" and list.n or #list
    local found = 0
    for key in next, list do
        if math.type(key) == "integer" and key >= 1 and key <= n then
            found = found + 1
        elseif key ~= "n" then
            misuse("%s expects a list (found the key %s); a nil inside a list makes a hole: "
                .. "pass eloquent.null for NULL", verb, tostring(key))
        end
    end
    if found ~= n then
        misuse("%s: the list has a nil in it; pass eloquent.null for NULL", verb)
    end
    return n
end

--- Splits bindings into a flat list of values and the names they belong to.
---@param bindings table|nil
---@param verb string  for the message
---@return any[] values
---@return string[]|nil names
function expression.bindings(bindings, verb)
    if bindings == nil then
        return {}
    end
    if type(bindings) ~= "table" then
        misuse("%s expects its bindings in a table, got a %s: %s(sql, { value })", verb, type(bindings), verb)
    end
    if next(bindings) ~= nil and bindings[1] == nil then
        return named(bindings, verb)
    end
    local values = {}
    for i = 1, expression.length(bindings, verb) do
        values[i] = bindings[i]
    end
    return values
end

--- SQL text for places that take a column or a value. Values go through its placeholders.
---
---     User:where("id", 1):update{ visits = eloquent.raw("visits + ?", { 2 }) }
---@param sql string
---@param bindings table|nil  list for `?`, or name -> value for `:name`
---@return eloquent.Expression
function expression.raw(sql, bindings)
    if type(sql) ~= "string" or sql == "" then
        misuse("raw expects SQL text, got %s", sql == "" and "an empty string" or "a " .. type(sql))
    end
    local values, names = expression.bindings(bindings, "raw")
    return setmetatable({ sql = sql, values = values, names = names }, Expression)
end

---@param value any
---@return boolean
function expression.is(value)
    return type(value) == "table" and getmetatable(value) == Expression
end

--- Text that tells expressions of different shape apart; their values are no part of it.
---@param e eloquent.Expression
---@return string
function expression.key(e)
    return "\0raw\0" .. e.sql .. "\0" .. #e.values .. "\0" .. (e.names and table.concat(e.names, "\0") or "")
end

return expression
