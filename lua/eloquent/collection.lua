-- SPDX-License-Identifier: MIT
-- Verbs of lists: of collections that the core reads from a database, and of the lists that these verbs make.
-- They use `#` and [i] only. A field's name may stand for a function that reads it.
local core = require("eloquent.core.collection")
local errors = require("eloquent.core.errors")
local null = require("eloquent.core.null")

local type, getmetatable, setmetatable = type, getmetatable, setmetatable

---@class eloquent.List
local List = {}

local metatable = { __index = List, __name = "eloquent.List" }

function metatable:__tostring()
    return ("list of %d"):format(#self)
end

local function misuse(message, ...)
    return errors.raise({ kind = "misuse", message = message:format(...) })
end

--- Makes a list of a plain Lua list (the same table).
---@param items any[]
---@return eloquent.List
function List.from(items)
    return setmetatable(items, metatable)
end
local from = List.from

local function reader(fn, verb)
    if type(fn) == "string" then
        return function(item)
            return item[fn]
        end
    elseif type(fn) ~= "function" then
        return misuse("%s expects a function or the name of a field, got a %s", verb, type(fn))
    end
    return fn
end

-- A condition: a function, or a field and the value it must have.
local function condition(verb, count, fn, value)
    if count < 2 then
        return reader(fn, verb)
    end
    return function(item)
        local found = item[fn]
        if value == null then
            return found == nil or found == null
        end
        return found == value
    end
end

--- `fn(item, index)` of each item.
---
---     local names = users:map("name")
---@param fn function|string
---@return eloquent.List
function List:map(fn)
    fn = reader(fn, "map")
    local out, n = {}, 0
    for i = 1, #self do
        local value = fn(self[i], i)
        if value == nil then
            value = null
        end
        n = n + 1
        out[n] = value
    end
    return from(out)
end

--- The items for which `fn(item, index)` is true, or whose field has the value.
---
---     local active = users:filter(function(u) return u.active end)
---     local admins = users:filter("role", "admin")
---@return eloquent.List
function List:filter(...)
    local test = condition("filter", select("#", ...), ...)
    local out, n = {}, 0
    for i = 1, #self do
        local item = self[i]
        if test(item, i) then
            n = n + 1
            out[n] = item
        end
    end
    return from(out)
end

--- `fn(result so far, item, index)` over all items, beginning with `initial`.
---
---     local total = orders:reduce(function(sum, o) return sum + o.total end, 0)
function List:reduce(fn, initial)
    local result = initial
    for i = 1, #self do
        result = fn(result, self[i], i)
    end
    return result
end

--- Calls `fn(item, index)` for each item; returning false ends it.
---@return eloquent.List self
function List:each(fn)
    for i = 1, #self do
        if fn(self[i], i) == false then
            break
        end
    end
    return self
end

--- One field of each item, as a list, or as a table by another field. What is nil is eloquent.null in the list.
---
---     local emails = users:pluck("email")
---     local names = users:pluck("name", "id")
---@param field string
---@param key string|nil
function List:pluck(field, key)
    if not key then
        return List.map(self, field)
    end
    local out = {}
    for i = 1, #self do
        local item = self[i]
        local value, name = item[field], item[key]
        if name ~= nil then
            out[name] = value == nil and null or value
        end
    end
    return out
end

-- Text that is the same for decimals and moments that are equal.
local function text_of(value)
    local text = tostring(value)
    return text:find("^%-?%d+%.%d+$") and text:gsub("0+$", ""):gsub("%.$", "") or text
end

-- A function that gives one object for all keys of the same value, because a table tells decimals and moments apart
-- that are equal.
local function one_of_equals()
    local known = {}
    return function(key)
        if type(key) ~= "userdata" or key == null then
            return key
        end
        local text = text_of(key)
        known[text] = known[text] or key
        return known[text]
    end
end

--- The items by a field; of several with the same, the last.
---
---     local by_id = users:keyBy("id")
---@return table<any, any>
function List:keyBy(field)
    local read, out, one = reader(field, "keyBy"), {}, one_of_equals()
    for i = 1, #self do
        local item = self[i]
        local key = one(read(item))
        if key ~= nil then
            out[key] = item
        end
    end
    return out
end

--- Lists of the items that agree in a field, by its value (eloquent.null for nil).
---
---     for section, packages in pairs(all:groupBy("section")) do print(section, #packages) end
---@return table<any, eloquent.List>
function List:groupBy(field)
    local read, out, one = reader(field, "groupBy"), {}, one_of_equals()
    for i = 1, #self do
        local item = self[i]
        local key = one(read(item))
        if key == nil then
            key = null
        end
        local group = out[key]
        if not group then
            group = from({})
            out[key] = group
        end
        group[#group + 1] = item
    end
    return out
end

-- Sorts keys with their places, so that equal ones stay in order; nil comes first.
local function compare(a, b, descending)
    local x, y = a.key, b.key
    if x == y then
        return a.place < b.place
    elseif x == nil or y == nil then
        return (x == nil) ~= descending
    end
    if descending then
        return y < x
    end
    return x < y
end

--- The items sorted by a field or by what `fn(item)` gives; equal ones keep their order, nil comes first.
---
---     local newest = users:sortBy("created_at", "desc")
---@param field string|function
---@param direction string|nil  "asc" (default) or "desc"
---@return eloquent.List
function List:sortBy(field, direction)
    local read = reader(field, "sortBy")
    if direction ~= nil and direction ~= "asc" and direction ~= "desc" then
        return misuse("sortBy: directions are asc and desc")
    end
    local entries, descending = {}, direction == "desc"
    for i = 1, #self do
        local item = self[i]
        entries[i] = { item = item, key = read(item), place = i }
    end
    table.sort(entries, function(a, b)
        return compare(a, b, descending)
    end)
    for i = 1, #entries do
        entries[i] = entries[i].item
    end
    return from(entries)
end

--- The first of the items that are equal, or agree in a field.
---@param field string|function|nil
---@return eloquent.List
function List:unique(field)
    local read = field ~= nil and reader(field, "unique")
    local seen, out = {}, {}
    for i = 1, #self do
        local item = self[i]
        local key = item
        if read then
            key = read(item)
        end
        -- Decimals and moments are equal by value, and their text tells it.
        if type(key) == "userdata" and key ~= null and read then
            key = text_of(key)
        elseif key == nil then
            key = null
        end
        if not seen[key] then
            seen[key] = true
            out[#out + 1] = item
        end
    end
    return from(out)
end

--- Whether an item is equal to a value, has a field of that value, or passes a function.
---
---     users:contains("email", "ada@example.org")
---@return boolean
function List:contains(first, ...)
    local count = select("#", ...) + 1
    if count == 1 and type(first) ~= "function" then
        for i = 1, #self do
            if self[i] == first then
                return true
            end
        end
        return false
    end
    return List.first(self, condition("contains", count, first, ...)) ~= nil
end

-- The primary key of a record's model. Rows of raw queries have none, and raise for what they don't have.
local function key_name(item)
    local ok, model = pcall(function()
        return item._model
    end)
    return ok and type(model) == "table" and model._key or "id"
end

--- The item whose primary key is `key`; or nil.
---
---     local ada = users:find(1)
function List:find(key)
    if type(key) == "function" then
        return List.first(self, key)
    end
    local name = #self > 0 and key_name(self[1])
    for i = 1, #self do
        local item = self[i]
        if item[name] == key then
            return item
        end
    end
    return nil
end

--- The first item, or the first that passes a function; or nil.
---@param fn function|nil
function List:first(fn)
    if fn == nil then
        return self[1]
    end
    for i = 1, #self do
        local item = self[i]
        if fn(item, i) then
            return item
        end
    end
    return nil
end

--- The last item, or the last that passes a function; or nil.
---@param fn function|nil
function List:last(fn)
    for i = #self, 1, -1 do
        local item = self[i]
        if fn == nil or fn(item, i) then
            return item
        end
    end
    return nil
end

-- Calls fn(value) with the field of each item, or the items themselves, leaving out NULL.
local function values(self, field, verb, fn)
    local read = field ~= nil and reader(field, verb)
    for i = 1, #self do
        local value = self[i]
        if read then
            value = read(value)
        end
        if value ~= nil and value ~= null then
            fn(value)
        end
    end
end

-- a + b; a decimal where integers would begin anew from the other end.
local function add(a, b)
    local total = a + b
    if math.type(a) == "integer" and math.type(b) == "integer" and (a ~ total) & (b ~ total) < 0 then
        return require("eloquent.core.decimal")(a) + b
    end
    return total
end

--- Sum of a field, or of the items; exact for decimals and integers. 0 when there is nothing.
---@param field string|function|nil
function List:sum(field)
    local total = 0
    values(self, field, "sum", function(value)
        total = add(total, value)
    end)
    return total
end

--- Average of a field, or of the items: a float, or a decimal with four more digits for decimals. nil when there
--- is nothing.
---@param field string|function|nil
function List:avg(field)
    local total, count, whole = 0, 0, true
    values(self, field, "avg", function(value)
        total, count, whole = add(total, value), count + 1, whole and type(value) == "number"
    end)
    if count == 0 then
        return nil
    elseif whole and type(total) == "userdata" then
        return total:tonumber() / count
    elseif type(total) == "userdata" then
        return total:div(count, total:scale() + 4)
    end
    return total / count
end

--- Smallest value of a field, or of the items; nil when there is none.
---@param field string|function|nil
function List:min(field)
    local found
    values(self, field, "min", function(value)
        if found == nil or value < found then
            found = value
        end
    end)
    return found
end

--- Largest value of a field, or of the items; nil when there is none.
---@param field string|function|nil
function List:max(field)
    local found
    values(self, field, "max", function(value)
        if found == nil or found < value then
            found = value
        end
    end)
    return found
end

--- Lists of at most n items each.
---@param n integer
---@return eloquent.List
function List:chunk(n)
    if math.type(n) ~= "integer" or n < 1 then
        return misuse("chunk expects a whole number from 1 on")
    end
    local out = {}
    for i = 1, #self, n do
        local part = {}
        for k = i, math.min(i + n - 1, #self) do
            part[#part + 1] = self[k]
        end
        out[#out + 1] = from(part)
    end
    return from(out)
end

--- The first n items.
---@param n integer
---@return eloquent.List
function List:take(n)
    local out = {}
    for i = 1, math.min(n, #self) do
        out[i] = self[i]
    end
    return from(out)
end

--- Two lists: the items that pass a function (or whose field has a value), and the others.
---
---     local active, others = users:partition("active", true)
---@return eloquent.List passed
---@return eloquent.List others
function List:partition(...)
    local test = condition("partition", select("#", ...), ...)
    local yes, no = {}, {}
    for i = 1, #self do
        local item = self[i]
        local to = test(item, i) and yes or no
        to[#to + 1] = item
    end
    return from(yes), from(no)
end

local function is_record(item)
    return type(item) == "userdata" and require("eloquent.core.record").is(item)
end

local function is_list(item)
    return type(item) == "table" and getmetatable(item) == metatable
end

--- Plain tables of the items, in a plain list.
---@return table[]
function List:toTable()
    local out = {}
    for i = 1, #self do
        local item = self[i]
        out[i] = (is_record(item) or is_list(item)) and item:toTable() or item
    end
    return out
end

--- The items as a JSON array.
---
---     print(User:limit(2):get():toJson())
---@return string
function List:toJson()
    local encode = require("eloquent.core.json").encode
    local out = {}
    for i = 1, #self do
        local item = self[i]
        out[i] = (is_record(item) or is_list(item)) and item:toJson() or encode(item)
    end
    return "[" .. table.concat(out, ",") .. "]"
end

for name, verb in pairs(List) do
    core.methods[name] = verb
end

return List
