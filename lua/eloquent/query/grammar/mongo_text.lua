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
    if not utf8.len(value) or value:find("\0", 1, true) then
        errors.raise({ kind = "misuse", message = "a name has to be text in UTF-8 with no zero byte, this one is not" })
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

--- Names of the columns of rows. Where a model's key is `id`, documents without it have their `_id` there.
---@param model table|nil
---@param names string[]
---@return string
function text.fields(model, names)
    local list, key = {}, model and model._id_mode and model._key
    for i, name in ipairs(names) do
        list[i] = name == key and text.strings({ name, "_id" }) or text.string(name)
    end
    return text.array(list)
end

-- What a path is behind the variable `v`. Expressions know no numbers of items, so these are looked up.
local function behind(path)
    local name, rest = path:match("^([^.]*)%.?(.*)$")
    if not path:find("%f[^.\0]%d+%f[.\0]") then
        return text.string("$$v." .. path)
    end
    local is_list, found = text.one("$isArray", '"$$v"'), text.string("$$v." .. name)
    local function go_on(value)
        return rest == "" and value or text.one("$let", text.object({
            { "vars", text.one("v", value) }, { "in", behind(rest) },
        }))
    end
    if name:find("^%d+$") then
        local item = text.one("$arrayElemAt", text.array({ '"$$v"', name }))
        return go_on(text.one("$cond", text.array({ is_list, item, found })))
    end
    local each = text.one("$map", text.object({ { "input", '"$$v"' }, { "as", '"v"' }, { "in", go_on(found) } }))
    return text.one("$cond", text.array({ is_list, each, go_on(found) }))
end

--- The value of a field in a pipeline, of a key as above.
---@param model table|nil
---@param path string
---@return string
function text.value(model, path)
    if model and model._id_mode and path == model._key then
        return text.one("$ifNull", text.strings({ "$" .. path, "$_id" }))
    elseif path:find("%.%d+%f[.\0]") then
        local head, rest = path:match("^([^.]*)%.(.*)$")
        local vars = text.one("v", text.string("$" .. head))
        return text.one("$let", text.object({ { "vars", vars }, { "in", behind(rest) } }))
    end
    return text.string("$" .. path)
end

--- The column that a value at this path is part of, by whose rules it is checked: of a free-form model the whole
--- document. False where there is none.
---@param model table|nil
---@param path string|nil
---@return string|false
function text.part_of(model, path)
    if not model or model._open then
        return model and model._columns[1].name or false
    elseif model._column[path] then
        return path
    end
    local head = path:match("^[^.]*")
    local column = model._column[head]
    return column and column.type == "document" and head or false
end

--- Raises: MongoDB has no such thing.
---@param what string
---@param instead string  what to do
function text.unsupported(what, instead)
    return errors.raise({ kind = "unsupported", message = ("MongoDB has no %s: %s"):format(what, instead) })
end

--- Raises: this would change the key of a document.
function text.fixed_key(name)
    return errors.raise({
        kind = "unsupported",
        message = ("MongoDB: the key '%s' of a document can't change; make a new one and delete this one"):format(name),
    })
end

--- Raw text of a query is SQL.
function text.no_raw()
    return text.unsupported("SQL", "write the condition with where and its kin, or the whole query with aggregate{ ... "
        .. "} or connection:collection(name)")
end

return text
