-- SPDX-License-Identifier: MIT
-- Conditions as filters of MongoDB. They mean what they mean in SQL: a comparison is not met by NULL, and neither is
-- its opposite. So a "not" goes inwards, to the single conditions, each of which knows its opposite.
local fields = require("eloquent.query.fields")
local path_of = require("eloquent.query.grammar.mongo_paths").of
local text = require("eloquent.query.grammar.mongo_text")
local values = require("eloquent.query.grammar.mongo_values")

local misuse = fields.misuse
local one, array = text.one, text.array

local NEVER <const> = { { "$expr", "false" } }
local ALWAYS <const> = {}

-- A condition is a list of { key, value text } that must all hold.
local conditions = {}

-- {====== Fields ======

-- The column that a path is, and whether values are compared as they are: it may hold anything.
local function column_of(q, path)
    local column = q.model and q.model._column[path]
    return column, not column or column.type == "json" or column.type == "document" or column.type == "any"
end

local counts = { increments = true, bigIncrements = true, integer = true, bigInteger = true, smallInteger = true }

-- The fields that are the key: in models whose key is `id` also `_id`.
local function is_key(q, path)
    local model = q.model
    return model and (path == "_id" or path == model._key)
end
conditions.is_key = is_key

local function key_paths(q, path)
    return q.model._id_mode and path == q.model._key and { path, "_id" } or { path }
end

local readers = { uuid = values.uuid, ulid = values.ulid }

-- What a value of a key is made before it is compared.
local function key_reader(q, path)
    local column = column_of(q, is_key(q, path) and q.model._id_mode and q.model._key or path)
    if column and counts[column.type] then
        return values.counted(q.model._name .. "." .. column.name)
    elseif column and column.type == "objectId" then
        return values.object_id(q.model._name .. "." .. column.name)
    end
    return column and readers[column.type] or nil
end

-- The same, for fields that are compared in all forms that they may be stored in.
local function reader(q, path)
    local column = column_of(q, path)
    return (is_key(q, path) or column and column.type == "objectId") and key_reader(q, path) or nil
end

-- True when the value of a field goes to the server as its column says, and in no other form.
local function is_plain(q, path)
    local column, anything = column_of(q, path)
    if anything or column.type == "objectId" then
        return false
    end
    return not is_key(q, path) or not q.model._id_mode and (counts[column.type] or column.type == "uuid")
end

-- }======
-- {====== Joining ======

-- The list as one object.
local function object(list)
    local seen, twice = {}, false
    for _, pair in ipairs(list) do
        twice = twice or seen[pair[1]]
        seen[pair[1]] = true
    end
    if not twice then
        return text.object(list)
    end
    local items = {}
    for i, pair in ipairs(list) do
        items[i] = one(pair[1], pair[2])
    end
    return one("$and", array(items))
end
conditions.object = object

local function either(list)
    local items = {}
    for i, each in ipairs(list) do
        items[i] = object(each)
    end
    return #list == 1 and list[1] or { { "$or", array(items) } }
end

local function all(...)
    local list = {}
    for _, each in ipairs({ ... }) do
        table.move(each, 1, #each, #list + 1, list)
    end
    return list
end

-- }======
-- {====== Kinds ======

local kinds = {}

local words = { ["<"] = "$lt", ["<="] = "$lte", [">"] = "$gt", [">="] = "$gte", ["="] = "$eq", ["!="] = "$ne" }
local opposites = { ["<"] = ">=", ["<="] = ">", [">"] = "<=", [">="] = "<", ["="] = "!=", ["!="] = "=" }

-- Equal to the value behind `first`, in any of its forms.
local function equal(cx, q, path, first)
    if is_plain(q, path) then
        return { { path, cx:bind(first, path) } }
    end
    local read, list = reader(q, path), {}
    for i, each in ipairs(is_key(q, path) and key_paths(q, path) or { path }) do
        list[i] = { { each, cx:bind_encoded(first, values.chain(read, values.match)) } }
    end
    return either(list)
end

--- A key of an upsert, in any form that it is stored as; nil where it has one.
function conditions.any_key(cx, q, path, first)
    if not is_key(q, path) or is_plain(q, path) then
        return nil
    end
    local read, list = key_reader(q, path), {}
    for i, each in ipairs(key_paths(q, path)) do
        list[i] = { { each, one("$in", cx:bind_encoded(first, values.chain(read, values.forms))) } }
    end
    return either(list)[1]
end

local function unequal(cx, q, path, first)
    if is_plain(q, path) then
        return { { path, one("$nin", array({ cx:bind(first, path), "null" })) } }
    end
    if not is_key(q, path) then
        return { { path, one("$nin", cx:bind_encoded(first, values.chain(reader(q, path), values.forms_and_null))) } }
    end
    local list = {} -- a key is never NULL, but one of its two fields may be missing
    for i, each in ipairs(key_paths(q, path)) do
        list[i] = { each, one("$nin", cx:bind_encoded(first, values.chain(key_reader(q, path), values.forms))) }
    end
    return list
end

-- A condition on the value of a field; documents without the key `id` have it in `_id`.
local function key_or(q, path, make)
    local own = { path, make() }
    if #(is_key(q, path) and key_paths(q, path) or {}) < 2 then
        return { own }
    end
    return either({ { own }, { { path, "null" }, { "_id", make() } } })
end

-- Where the edge of a range is among the milliseconds that the server keeps.
local edges_of = { ["<"] = values.up, [">="] = values.up, [">"] = values.down, ["<="] = values.down }

-- The value of a field's edge, as its column has it.
local function bind_edge(cx, q, path, op, first)
    local column, anything = column_of(q, path)
    if anything then
        return cx:bind_encoded(first, edges_of[op])
    elseif column.type == "timestamp" then
        return cx:bind_encoded(first, values.chain(fields.normal(q.model, path), edges_of[op]))
    end
    return cx:bind(first, path)
end

function kinds.basic(cx, q, c, is_not)
    if c.raw then
        return text.no_raw()
    end
    local path, op = path_of(q, c.field), is_not and opposites[c.op] or c.op
    if op == "=" then
        return equal(cx, q, path, c.first)
    elseif op == "!=" then
        return unequal(cx, q, path, c.first)
    end
    return key_or(q, path, function()
        return one(words[op], bind_edge(cx, q, path, op, c.first))
    end)
end

--- Behind a key in the order of all keys, which may be of several types; for loops that go by key.
function kinds.after(cx, q, c)
    local path = path_of(q, c.field)
    if is_plain(q, path) then
        return { { path, one(words[c.op], cx:bind(c.first, path)) } }
    end
    local beyond = { { path, one(words[c.op], cx:bind(c.first)) } }
    local types = values[c.op == ">" and "types_after" or "types_before"]
    return either({ beyond, { { path, one("$type", cx:bind_encoded(c.first, types)) } } })
end

kinds["null"] = function(_, q, c, is_not)
    local path, list = path_of(q, c.field), {}
    for i, each in ipairs(is_key(q, path) and key_paths(q, path) or { path }) do
        list[i] = { { each, is_not and one("$ne", "null") or "null" } }
    end
    return is_not and either(list) or all(table.unpack(list))
end

-- The placeholders of a list: two for each value that has two forms.
local function list_items(cx, q, c, path)
    local items, plain = {}, is_plain(q, path)
    local read = not plain and reader(q, path) or nil
    for i = c.first, c.first + c.n - 1 do
        if plain then
            items[#items + 1] = cx:bind(i, path)
        else
            items[#items + 1] = cx:bind_encoded(i, values.chain(read, values.to_id))
            items[#items + 1] = cx:bind_encoded(i, values.chain(read, values.to_digits))
        end
    end
    return items
end

local function in_fields(q, path, is_not, make)
    local list = {}
    for i, each in ipairs(is_key(q, path) and key_paths(q, path) or { path }) do
        list[i] = { { each, one(is_not and "$nin" or "$in", make()) } }
    end
    return is_not and all(table.unpack(list)) or either(list)
end

kinds["in"] = function(cx, q, c, is_not)
    local path = path_of(q, c.field)
    if c.n == 0 and not c.has_null then
        return is_not and ALWAYS or NEVER
    end
    return in_fields(q, path, is_not, function()
        local items = list_items(cx, q, c, path)
        if c.has_null or is_not and not is_key(q, path) then
            items[#items + 1] = "null"
        end
        return array(items)
    end)
end

function kinds.in_list(cx, q, c, is_not)
    local path = path_of(q, c.field)
    cx.long_list = true
    local read, has_null = nil, c.has_null or is_not and not is_key(q, path)
    if not is_plain(q, path) then
        read = values.all_forms(reader(q, path), has_null)
    end
    return in_fields(q, path, is_not, function()
        return cx:bind_encoded(c.first, read or values.list(c.list, has_null, fields.normal(q.model, path)))
    end)
end

function kinds.between(cx, q, c, is_not)
    local path = path_of(q, c.field)
    local _, anything = column_of(q, path)
    if is_not then
        local low = key_or(q, path, function()
            return one("$lt", bind_edge(cx, q, path, "<", c.first))
        end)
        return either({ low, key_or(q, path, function()
            return one("$gt", bind_edge(cx, q, path, ">", c.first + 1))
        end) })
    end
    local function range()
        local low = bind_edge(cx, q, path, ">=", c.first)
        return text.object({ { "$gte", low }, { "$lte", bind_edge(cx, q, path, "<=", c.first + 1) } })
    end
    local inside = key_or(q, path, range)
    if anything and not is_key(q, path) then -- one item of a list has to be within both ends
        local is_value = { { path, one("$not", one("$type", '"array"')) } }
        inside = all(inside, either({ is_value, { { path, one("$elemMatch", range()) } } }))
    end
    return inside
end

function kinds.column(_, q, c, is_not)
    local sides, list = {}, {}
    for i, field in ipairs({ c.field, c.other }) do
        local path = path_of(q, field)
        sides[i] = text.value(q.model, path)
        if #(is_key(q, path) and key_paths(q, path) or {}) < 2 then
            list[#list + 1] = { path, one("$ne", "null") }
        end
    end
    local op = is_not and opposites[c.op] or c.op
    list[#list + 1] = { "$expr", one(words[op], array(sides)) }
    return list
end

function kinds.like(cx, q, c, is_not)
    local path = path_of(q, c.field)
    return key_or(q, path, function()
        local pattern = text.object({
            { "$regex", cx:bind_encoded(c.first, values.regex) },
            { "$options", c.case_sensitive and '"s"' or '"is"' },
        })
        return is_not and text.object({ { "$not", pattern }, { "$ne", "null" } }) or pattern
    end)
end

-- { operator, whether the day after it is the edge }
local edges = {
    ["<"] = { "$lt", false }, ["<="] = { "$lt", true }, [">"] = { "$gte", true }, [">="] = { "$gte", false },
}

local function on_date(cx, path, op, first, is_text)
    local from = not is_text and values.day or nil
    local function bound(is_next)
        if is_text then
            return cx:bind(first)
        end
        return cx:bind_encoded(first, is_next and values.next_day or from)
    end
    if is_text then
        return { { path, op == "!=" and one("$nin", array({ bound(), "null" })) or one(words[op], bound()) } }
    elseif op == "=" then
        local low = bound(false)
        return { { path, text.object({ { "$gte", low }, { "$lt", bound(true) } }) } }
    elseif op == "!=" then
        local low = { { path, one("$lt", bound(false)) } }
        return either({ low, { { path, one("$gte", bound(true)) } } })
    end
    local edge = edges[op]
    return { { path, one(edge[1], bound(edge[2])) } }
end

local parts = { year = "$year", month = "$month", day = "$dayOfMonth" }

function kinds.date(cx, q, c, is_not)
    local path, op = path_of(q, c.field), is_not and opposites[c.op] or c.op
    local column = column_of(q, path)
    local is_text = column and column.type == "date"
    if c.part == "date" then
        return on_date(cx, path, op, c.first, is_text)
    end
    local moment = text.string("$" .. path)
    if is_text then
        moment = one("$dateFromString", one("dateString", moment))
    end
    local compared = one(words[op], array({ one(parts[c.part], moment), cx:bind(c.first) }))
    return { { path, one("$ne", "null") }, { "$expr", compared } }
end

function kinds.group(cx, q, c, is_not)
    return cx:within(c, conditions.nested, cx, q, c.sub, is_not)
end

function kinds.raw()
    return text.no_raw()
end

local function no_subquery()
    return text.unsupported("subqueries", "read the values first (pluck) and use whereIn, or write a $lookup with "
        .. "aggregate{ ... }")
end
kinds.in_sub, kinds.exists = no_subquery, no_subquery

-- Conditions that one item of a list has to meet together: a subquery that is of no collection.
function kinds.sub(cx, q, c, is_not)
    local inner = cx:parts(c.sub)
    if inner.table or inner.columns or c.op ~= "=" then
        return no_subquery()
    end
    local path = path_of(q, c.field)
    local match = one("$elemMatch", object(cx:within(c, conditions.nested, cx, {}, c.sub, false)))
    if match:find('"$expr":', 1, true) then
        text.unsupported("such a condition on the items of a list", "write it with aggregate{ ... } and $unwind")
    elseif is_not then
        return { { path, text.object({ { "$not", match }, { "$ne", "null" } }) } }
    end
    return { { path, match } }
end

-- }======
-- {====== Lists of conditions ======

-- Some of a kind carry their "not" themselves.
local function negated(c, outer)
    return (c.is_not or false) ~= outer
end

-- The list, joined by AND and OR, with what stands before a fence as one.
local function walk(cx, q, list, is_not)
    local groups, fenced = { {} }, false
    local function close()
        local joined = {}
        for i, group in ipairs(groups) do
            joined[i] = is_not and either(group) or all(table.unpack(group))
        end
        return is_not and all(table.unpack(joined)) or either(joined)
    end
    local empty = true
    for _, c in ipairs(list) do
        if c.kind == "fence" then
            fenced = #groups > 1
        else
            if fenced then
                groups, fenced = { { close() } }, false
            end
            if c.is_or and not empty then
                groups[#groups + 1] = {}
            end
            local group = groups[#groups]
            group[#group + 1] = kinds[c.kind](cx, q, c, negated(c, is_not))
            empty = false
        end
    end
    return empty and ALWAYS or close()
end

--- The conditions of a nested query.
function conditions.nested(cx, q, at, is_not)
    local inner = cx:parts(at)
    for clause, c in pairs(inner) do
        if type(c) == "table" and clause ~= "wheres" and clause ~= "root" and clause ~= "model"
            and (c.clause or #c > 0) then
            misuse("only conditions can stand inside a nested where")
        end
    end
    local scope = setmetatable({ root = inner.root }, { __index = q })
    return walk(cx, scope, inner.wheres, is_not or false)
end

--- A list of conditions as a list of { key, value text }.
function conditions.list(cx, q, list)
    return walk(cx, q, list, false)
end

--- The filter of a query, "{}" when it has no conditions.
---@param further table[]|nil  { key, value text } that must hold, too
---@return string
function conditions.filter(cx, q, further)
    return object(all(walk(cx, q, q.wheres, false), further or ALWAYS))
end

--- Whether one document at the most meets the conditions: its key is among them.
function conditions.is_single(q)
    local has_key = false
    for _, c in ipairs(q.wheres) do
        if c.is_or or c.kind == "fence" then
            return false
        end
        local is_equal = c.kind == "basic" and c.op == "=" and not c.is_not and type(c.field) == "string"
        has_key = has_key or is_equal and is_key(q, path_of(q, c.field))
    end
    return has_key
end

-- }======

return conditions
