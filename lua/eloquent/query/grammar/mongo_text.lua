-- SPDX-License-Identifier: MIT
-- Command texts of MongoDB: JSON whose values are texts already, in the order given, with `?` for values that are
-- bound. What a query becomes is mongo.lua.
local errors = require("eloquent.core.errors")

local concat = table.concat
local text = {}

local escapes = { ['"'] = '\\"', ["\\"] = "\\\\" }

--- A string as JSON.
---@param value string
---@return string
function text.string(value)
    if not utf8.len(value) then
        errors.raise({ kind = "misuse", message = "a name has to be text in UTF-8, this one is not" })
    end
    return '"' .. value:gsub('[%c"\\]', function(c)
        return escapes[c] or ("\\u%04x"):format(c:byte())
    end) .. '"'
end

--- An object of { key, value text } pairs; those without a value are left out.
---@param pairs_ table[]
---@return string
function text.object(pairs_)
    local list = {}
    for _, pair in ipairs(pairs_) do
        if pair[2] then
            list[#list + 1] = text.string(pair[1]) .. ":" .. pair[2]
        end
    end
    return "{" .. concat(list, ",") .. "}"
end

--- An object with one key.
function text.one(key, value)
    return "{" .. text.string(key) .. ":" .. value .. "}"
end

--- An array of texts.
---@param items string[]
---@return string
function text.array(items)
    return "[" .. concat(items, ",") .. "]"
end

--- An array of strings.
---@param names string[]
---@return string
function text.strings(names)
    local list = {}
    for i, name in ipairs(names) do
        list[i] = text.string(name)
    end
    return text.array(list)
end

--- Raises: MongoDB has no such thing.
---@param what string
---@param instead string  what to do
function text.unsupported(what, instead)
    return errors.raise({ kind = "unsupported", message = ("MongoDB has no %s: %s"):format(what, instead) })
end

--- Raw text of a query is SQL.
function text.no_raw()
    return text.unsupported("SQL", "write the condition with where and its kin, or the whole query with aggregate{ ... "
        .. "} or connection:collection(name)")
end

return text
