-- SPDX-License-Identifier: MIT
--
-- What the verbs of a native collection take: filters, changes, documents, keys, options. What
-- can only be a mistake is one, above all where it would write to more than was meant.
local doc = require("eloquent.core.document")
local errors = require("eloquent.core.errors")
local json = require("eloquent.core.json")

local arguments = {}

--- Raises an error of kind "misuse".
function arguments.misuse(message, ...)
    return errors.raise({ kind = "misuse", message = message:format(...) })
end

local misuse = arguments.misuse

function arguments.table_or(value, verb, what, otherwise)
    if value == nil then
        return otherwise
    elseif type(value) ~= "table" then
        return misuse("%s expects %s as a table, got a %s", verb, what, type(value))
    end
    return value
end

function arguments.filter(value, verb)
    return arguments.table_or(value, verb, "a filter", doc())
end

local function needed(value, verb, what, more)
    if type(value) ~= "table" then
        return misuse("%s expects %s as a table, got %s%s", verb, what,
            value == nil and "nil" or "a " .. type(value), more or "")
    end
    return value
end

--- The filter of a write: nil may be a name that is misspelled, and all documents are more than anyone should lose.
function arguments.needed_filter(value, verb)
    return needed(value, verb, "a filter", "; an empty one, {}, means all documents")
end

--- What a write puts there.
function arguments.needed_document(value, verb, what)
    return needed(value, verb, what)
end

local function is_operator(name)
    return name:byte() == 36
end

-- Whether a list has nothing but steps of a pipeline.
local function is_pipeline(list)
    for i = 1, #list do
        if type(list[i]) ~= "table" then
            return false
        end
    end
    return #list > 0
end

--- An update: operators, or the steps of a pipeline. A document of fields would take the place of the one there is.
function arguments.change(value, verb)
    needed(value, verb, "a change")
    local kind = doc.kind(value)
    local good = kind == "list" and is_pipeline(value)
    if kind == "document" then
        good = next(value) ~= nil
        for _, name in ipairs(doc.keys(value)) do
            good = good and is_operator(name)
        end
    end
    if not good then
        return misuse("%s expects a change of operators, such as { [\"$set\"] = { name = \"x\" } }, or a pipeline; "
            .. "to put a document in the place of another use replaceOne", verb)
    end
    return value
end

--- A document that takes the place of another.
function arguments.replacement(value, verb)
    needed(value, verb, "a document")
    for _, name in ipairs(doc.keys(value)) do
        if is_operator(name) then
            return misuse("%s expects a document of fields, found '%s'; to change fields use updateOne", verb, name)
        end
    end
    if next(value) ~= nil and doc.kind(value) == "list" then
        return misuse("%s expects a document, got a list; a pipeline is for updateOne", verb)
    end
    return value
end

function arguments.name(value, verb, what)
    if type(value) ~= "string" or value == "" then
        return misuse("%s expects the name of %s, got %s", verb, what,
            value == nil and "nil" or value == "" and "an empty one" or "a " .. type(value))
    end
    return value
end

--- { "name", -1 } pairs, { name = 1 } or a document, as a document.
function arguments.keys(value, verb)
    if value == nil or doc.is(value) then
        return value
    end
    arguments.table_or(value, verb, "keys")
    if value[1] == nil and #doc.keys(value) > 1 then
        return misuse("%s: a table of several keys has no order; write { { \"name\", 1 }, { \"age\", -1 } }", verb)
    end
    return doc(value)
end

--- A list of tables, also where it is empty.
function arguments.list(value, verb, what)
    arguments.table_or(value, verb, what, nil)
    if value == nil or doc.kind(value) ~= "list" and next(value) ~= nil then
        return misuse("%s expects %s as a list of tables", verb, what)
    end
    return doc.kind(value) == "list" and value or json.array({})
end

--- The options that a command knows, in its order; others raise.
function arguments.add_options(list, options, known, verb)
    options = arguments.table_or(options, verb, "options", {})
    local names = {}
    for _, name in ipairs(known) do
        names[name] = true
        list[#list + 1] = { name, options[name] }
    end
    for name in pairs(options) do
        if not names[name] then
            misuse("%s has no option '%s'; there are %s", verb, tostring(name), table.concat(known, ", "))
        end
    end
    return list
end

return arguments
