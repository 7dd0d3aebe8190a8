-- SPDX-License-Identifier: MIT
-- Names of columns and tables as queries get them: checked against the model's schema where there is one.
-- How a name is quoted belongs to the grammars.
local errors = require("eloquent.core.errors")
local expression = require("eloquent.query.expression")
local nearest = require("eloquent.support.nearest")

local fields = {}

local function misuse(message, ...)
    return errors.raise({ kind = "misuse", message = message:format(...) })
end
fields.misuse = misuse

local function article(value)
    local t = type(value)
    return t == "nil" and "nil" or "a " .. t
end

--- Raises: the model has no such column. Documents may have more than their model says, and paths into what it says.
function fields.unknown(model, name)
    local documents = model._documents
    if documents and documents(model, name) then
        return name
    end
    if model._relations and model._relations[name] then
        return misuse("'%s' is a relation of %s, not a column", name, model._name)
    end
    local names = {}
    for i, column in ipairs(model._columns) do
        names[i] = column.name
    end
    local near = nearest.find(name, names)
    return misuse("%s has no column '%s'%s", model._name, name,
        near and ("; did you mean '" .. near .. "'?") or "")
end

--- Raises when a list of rows or names has keys beside 1 to #list: what a hole hides would be lost. (That something
--- among those is nil, each reader of the list sees.)
function fields.check_list(list, verb)
    local n = #list
    if next(list, n > 0 and n or nil) == nil then
        return -- the usual list ends with its last item
    end
    for key in next, list do
        if math.type(key) ~= "integer" or key < 1 or key > n then
            misuse("%s expects a list (found the key %s); a nil inside a list makes a hole", verb, tostring(key))
        end
    end
end

--- Raises for an argument of a verb that takes none: it would be lost without a word.
---@param verb string
---@param given any
---@param instead? string  what to do instead
function fields.superfluous(verb, given, instead)
    return misuse("%s takes no argument, got a %s; %s", verb, type(given),
        instead or "conditions come before it: where{ ... }:" .. verb .. "()")
end

--- Raises unless `name` can be an identifier.
function fields.identifier(name, verb)
    if type(name) ~= "string" then
        return misuse("%s expects a name, got %s", verb, article(name))
    end
    if name == "" or name:find("\0", 1, true) then
        return misuse("%s expects a name; an empty one, or one with a NUL byte, is none", verb)
    end
    if name:find("^%.") or name:find("%.$") or name:find("..", 1, true) then
        return misuse("%s: '%s' has an empty part; a name is column or table.column", verb, name)
    end
    return name
end

--- The column's own name when `field` is a column of the model that the tree is about; else nil.
function fields.own(root, field)
    local model = root.model
    if not model or type(field) ~= "string" then
        return nil
    end
    if model._column[field] then
        return field
    end
    local prefix, name = field:match("^(.*)%.([^.]*)$")
    if prefix and prefix == (root.alias or model._table) and model._column[name] then
        return name
    end
    return nil
end

--- A function that makes of a value what the column makes of those that it is given, or raises.
---@param model table
---@param name string
---@return fun(value: any): any
function fields.normal(model, name)
    local shape
    return function(value)
        shape = shape or model:_getShape()
        return shape:normal(name, value)
    end
end

--- Checks a field of a new step. With `late`, a name that is no column may still be an alias of the select
--- list: it is accepted, and the second result says that the compiler has to check it.
---@return string|eloquent.Expression field
---@return boolean|nil unchecked
function fields.check(root, field, verb, late)
    if expression.is(field) then
        return field
    end
    fields.identifier(field, verb)
    local model = root.model
    if field == "*" or field:find("%.%*$") then
        return misuse("%s expects a column; '%s' is for select and count", verb, field)
    end
    if not model then
        return field
    end
    local prefix, name = field:match("^(.*)%.([^.]*)$")
    if not prefix then
        if model._column[field] then
            return field
        end
        if late then
            return field, true
        end
        return fields.unknown(model, field)
    end
    if prefix == (root.alias or model._table) and not model._column[name] then
        return fields.unknown(model, name)
    end
    return field
end

--- Splits "name as alias".
---@return string name
---@return string|nil alias
function fields.alias(text, verb)
    fields.identifier(text, verb)
    local name, alias = text:match("^(.-)%s+[aA][sS]%s+(%S+)$")
    if name and name ~= "" then
        return name, alias
    end
    return text, nil
end

return fields
