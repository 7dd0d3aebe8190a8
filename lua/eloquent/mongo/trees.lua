-- SPDX-License-Identifier: MIT
--
-- Documents and lists as tables, to any depth: copies of them, and whether two say the same.
local document = require("eloquent.core.document")
local json = require("eloquent.core.json")
local null = require("eloquent.core.null")

local trees = {}

-- What is deeper no document can hold, which is said when it is sent.
local MAX_DEPTH <const> = 100

local function copy(value, depth)
    local kind = type(value) == "table" and depth <= MAX_DEPTH and document.kind(value)
    if not kind then
        return value
    elseif kind == "list" then
        local list = json.array({})
        for i = 1, #value do
            list[i] = copy(value[i], depth + 1)
        end
        return list
    end
    local result = document()
    for _, name in ipairs(document.keys(value)) do
        result[name] = copy(value[name], depth + 1)
    end
    return result
end

--- The value, or a new table with the same in it. What no document can hold stays as it is.
---@param value any
---@return any
function trees.copy(value)
    return copy(value, 1)
end

-- NaN is itself, and -0.0 another value than 0.0.
local function same_values(old, new)
    if old ~= new then
        return old ~= old and new ~= new
    end
    return math.type(old) == math.type(new) and (old ~= 0 or math.type(old) == "integer" or 1 / old == 1 / new)
end

local function same_documents(old, new)
    for _, name in ipairs(document.keys(new)) do
        if old[name] == nil or not trees.same(old[name], new[name]) then
            return false
        end
    end
    for _, name in ipairs(document.keys(old)) do
        if new[name] == nil then
            return false
        end
    end
    return true
end

--- Whether two values say the same; the order of keys is no matter. A field that is null is
--- another than one that is missing.
---@param old any
---@param new any
---@return boolean
function trees.same(old, new)
    if type(old) ~= "table" or type(new) ~= "table" then
        return same_values(old, new)
    end
    local kind = document.kind(new)
    if not kind or kind ~= document.kind(old) then
        return false
    elseif kind == "document" then
        return same_documents(old, new)
    elseif #old ~= #new then
        return false
    end
    for i = 1, #new do
        if not trees.same(old[i], new[i]) then
            return false
        end
    end
    return true
end

--- The value of a field or, by its number from 0 on, of a list's item; nil when there is none.
---@param value any
---@param name string
---@return any
function trees.at(value, name)
    if type(value) ~= "table" then
        return nil
    end
    local found, place = value[name], math.tointeger(tonumber(name))
    if found == nil and place then
        found = value[place + 1]
    end
    return found
end

--- Names of the fields that differ between two documents, one of which may be missing.
---@param old table|nil
---@param new table|nil
---@return string[]
function trees.differing(old, new)
    local names = {}
    for _, name in ipairs(new and document.keys(new) or {}) do
        if not old or old[name] == nil or not trees.same(old[name], new[name]) then
            names[#names + 1] = name
        end
    end
    for _, name in ipairs(old and document.keys(old) or {}) do
        if not new or new[name] == nil then
            names[#names + 1] = name
        end
    end
    return names
end

--- A field as records give it: nil for null, too.
---@param whole table|nil
---@param name string
---@return any
function trees.field(whole, name)
    local value = whole and whole[name]
    if value == null then
        return nil
    end
    return value
end

return trees
