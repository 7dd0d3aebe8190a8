-- SPDX-License-Identifier: MIT
-- Values of conditions on MongoDB, made what they are compared as: object ids and their digits match each other,
-- like is a regular expression, dates are ranges.
local datetime = require("eloquent.core.datetime")
local errors = require("eloquent.core.errors")
local json = require("eloquent.core.json")
local null = require("eloquent.core.null")
local objectid = require("eloquent.core.objectid")

local values = {}

local function is_hex(value)
    return type(value) == "string" and #value == 24 and not value:find("%X")
end

--- The object id that a value spells; others stay.
function values.to_id(value)
    return is_hex(value) and objectid(value) or value
end

--- The digits of an object id; others stay.
function values.to_digits(value)
    return objectid.is(value) and tostring(value) or value
end

--- A list of what equals the value: an object id and its digits are two forms of one key.
function values.forms(value)
    if is_hex(value) then
        return json.array({ objectid(value), value })
    elseif objectid.is(value) then
        return json.array({ value, tostring(value) })
    end
    return json.array({ value })
end

--- What a field that equals the value is compared with: a condition where there are two forms, or where a table
--- would be read as one.
function values.match(value)
    local list = values.forms(value)
    if #list > 1 then
        return { ["$in"] = list }
    elseif type(value) == "table" then
        return { ["$eq"] = value }
    end
    return value
end

--- The same, and null, for conditions that NULL doesn't meet.
function values.forms_and_null(value)
    local list = values.forms(value)
    list[#list + 1] = null
    return list
end

--- A UUID as keys have it; what isn't one stays.
function values.uuid(value)
    local is_uuid = type(value) == "string" and value:find("^%x+%-%x+%-%x+%-%x+%-%x+$") and #value == 36
    return is_uuid and require("eloquent.core.document").uuid(value) or value
end

--- A ULID as keys have it; what isn't one stays.
function values.ulid(value)
    local is_ulid = type(value) == "string" and #value == 26 and value:find("^%w+$")
    return is_ulid and value:upper() or value
end

local function refuse(name, wanted, value)
    return errors.raise({
        kind = "value",
        message = ("%s expects %s, got a %s"):format(name, wanted, type(value)),
    })
end

--- A whole number of a key that counts up; what is an object id stays one.
---@param name string  of the column, for messages
function values.counted(name)
    local function one(value)
        local whole = type(value) == "number" and math.tointeger(value)
            or type(value) == "string" and value:find("^%-?%d+$") and math.tointeger(tonumber(value))
        if whole then
            return whole
        elseif objectid.is(value) or is_hex(value) then
            return value
        end
        return refuse(name, "an integer or an objectid", value)
    end
    return one
end

--- An object id, or the one that digits spell.
---@param name string  of the column, for messages
function values.object_id(name)
    return function(value)
        local id = values.to_id(value)
        if objectid.is(id) then
            return id
        end
        return refuse(name, "an objectid or its 24 hexadecimal digits", value)
    end
end

--- `second(first(value))`
function values.chain(first, second)
    if not first then
        return second
    end
    return function(value)
        return second(first(value))
    end
end

local special = "[%^%$%(%)%%%.%[%]%*%+%-%?{}|\\/]"

--- The regular expression that matches what a pattern of like does.
---@param pattern string
---@return string
function values.regex(pattern)
    local body = pattern:gsub("\\?[\0-\x7F\xC2-\xFD][\x80-\xBF]*", function(c)
        if c == "%" then
            return ".*"
        elseif c == "_" then
            return "."
        end
        local plain = #c > 1 and c:byte() == 92 and c:sub(2) or c
        return (plain:gsub(special, "\\%0"))
    end)
    return "^" .. body .. "(?![\\s\\S])"
end

--- The beginning of a day.
function values.day(date)
    local ok, moment = pcall(datetime, date .. "T00:00:00Z")
    if not ok then
        errors.raise({ kind = "value", message = "whereDate: there is no such day; write one as YYYY-MM-DD" })
    end
    return moment
end

--- The beginning of the day after it.
function values.next_day(date)
    return values.day(date) + 86400
end

local function beyond_milliseconds(value)
    return datetime.is(value) and value.micro % 1000 or 0
end

--- The first whole millisecond that isn't before a moment: the server keeps no shorter ones. Others stay.
function values.up(value)
    local rest = beyond_milliseconds(value)
    return rest > 0 and value + (1000 - rest) / 1000000 or value
end

--- The last whole millisecond that isn't after a moment; others stay.
function values.down(value)
    local rest = beyond_milliseconds(value)
    return rest > 0 and value - rest / 1000000 or value
end

-- The types of keys in the order in which the server sorts them.
local TYPES <const> = {
    "minKey", "null", "number", "string", "object", "array", "binData", "objectId", "bool", "date", "timestamp",
    "regex", "maxKey",
}

local function type_of(value)
    local kind = type(value)
    if kind == "userdata" then
        kind = objectid.is(value) and "objectId" or datetime.is(value) and "date"
            or require("eloquent.core.decimal").is(value) and "number" or "binData"
    elseif kind == "table" then
        kind = "object"
    elseif kind == "boolean" then
        kind = "bool"
    end
    for i, name in ipairs(TYPES) do
        if name == kind then
            return i
        end
    end
end

--- The types whose values come after those of the value's own.
function values.types_after(value)
    return json.array(table.move(TYPES, type_of(value) + 1, #TYPES, 1, {}))
end

--- The types whose values come before them.
function values.types_before(value)
    return json.array(table.move(TYPES, 1, type_of(value) - 1, 1, {}))
end

--- What takes a value away where it is added; refuses one that has no opposite.
---@param name string  of the field, for messages
function values.negative(name)
    return function(value)
        if math.type(value) == "integer" and value == math.mininteger then
            errors.raise({
                kind = "value",
                message = ("decrement('%s'): the least integer has no opposite; use increment"):format(name),
            })
        end
        return -value
    end
end

--- The forms of all values of a long list as one value.
---@param read fun(value: any)|nil  what a key makes of a value
---@param has_null boolean
function values.all_forms(read, has_null)
    return function(given)
        local out = json.array({})
        for i = 1, #given do
            for _, form in ipairs(values.forms(read and read(given[i]) or given[i])) do
                out[#out + 1] = form
            end
        end
        if has_null then
            out[#out + 1] = null
        end
        return out
    end
end

local readers = {
    integer = function(v)
        return math.tointeger(v) or type(v) == "string" and math.tointeger(tonumber(v)) or nil
    end,
    decimal = function(v)
        return (type(v) == "string" or math.type(v) == "integer") and require("eloquent.core.decimal")(v)
            or type(v) == "userdata" and v or nil
    end,
    boolean = function(v)
        if type(v) == "boolean" then
            return v
        end
    end,
    timestamp = function(v)
        return type(v) == "userdata" and v or type(v) == "string" and datetime(v) or nil
    end,
    uuid = function(v)
        return type(v) == "string" and require("eloquent.core.document").uuid(v) or nil
    end,
    objectId = function(v)
        v = values.to_id(v)
        return objectid.is(v) and v or nil
    end,
}

local function text(v)
    return type(v) == "string" and v or nil
end

--- A long list of one kind as one value.
---@param kind string
---@param has_null boolean
---@param normal fun(value: any): any  what the column makes of a value
function values.list(kind, has_null, normal)
    local read = readers[kind] or text
    return function(given)
        local out = json.array({})
        for i = 1, #given do
            local value = read(normal(given[i]))
            if value == nil then
                errors.raise({
                    kind = "value",
                    message = ("whereIn: a list for a column of type %s has a %s in it"):format(kind, type(given[i])),
                })
            end
            out[i] = value
        end
        if has_null then
            out[#out + 1] = null
        end
        return out
    end
end

return values
