-- SPDX-License-Identifier: MIT
-- Long lists as one value: JSON text for SQLite and MySQL, an array literal for PostgreSQL. Every value is
-- written out in full, so that nothing is rounded on the way.
local errors = require("eloquent.core.errors")

local type, tostring, concat = type, tostring, table.concat
local lists = {}

local function bad(kind, value)
    return errors.raise({
        kind = "value",
        message = ("whereIn: a list for a column of type %s has a %s in it"):format(kind, type(value)),
    })
end

-- Values as text, or false where they are numbers or booleans.
local texts = {
    integer = function(v)
        local whole = math.tointeger(v) or type(v) == "string" and math.tointeger(tonumber(v))
        if whole then
            return ("%d"):format(whole)
        elseif type(v) == "userdata" then
            local digits = tostring(v)
            return digits:find("^%-?%d+$") and digits or nil
        end
    end,
    decimal = function(v)
        local digits = (math.type(v) == "integer" or type(v) == "userdata" or type(v) == "string") and tostring(v)
        return digits and digits:find("^%-?%d+%.?%d*$") and digits or nil
    end,
    boolean = function(v)
        if type(v) == "boolean" then
            return tostring(v)
        end
    end,
    uuid = function(v)
        return type(v) == "string" and v:lower() or nil
    end,
    text = function(v)
        return type(v) == "string" and v or nil
    end,
    date = function(v)
        return type(v) == "userdata" and v:format("%Y-%m-%d") or type(v) == "string" and v or nil
    end,
    timestamp = function(v)
        local text = (type(v) == "userdata" or type(v) == "string") and tostring(v):gsub("Z$", "")
        if not text then
            return nil
        end
        local day, clock = text:match("^(%d%d%d%d%-%d%d%-%d%d)[T ]?(.*)$")
        if not day or not (clock == "" or clock:find("^%d%d:%d%d:?%d*%.?%d*$")) then
            return nil
        end
        local seconds, fraction = clock:match("^(%d%d:%d%d:%d%d)%.?(%d*)$")
        seconds = seconds or clock == "" and "00:00:00" or clock:sub(1, 5) .. ":00"
        return ("%s %s.%s"):format(day, seconds, ((fraction or "") .. "000000"):sub(1, 6))
    end,
}
texts.time = texts.text

local escapes = { ['"'] = '\\"', ["\\"] = "\\\\" }

local function json_string(text)
    return '"' .. text:gsub('[%c"\\\127]', function(c)
        return escapes[c] or ("\\u%04x"):format(c:byte())
    end) .. '"'
end

local bare = { integer = true, boolean = true }

---@class eloquent.LongList
---@field kind string
---@field is_not boolean|nil
---@field column table|nil
---@field normal (fun(value: any): any)|nil  what the column makes of a value, as of those of a short list

-- A function that gives the text of one value.
local function reader(list)
    local kind, read, normal = list.kind, texts[list.kind], list.normal
    return function(value)
        if normal then
            value = normal(value)
        end
        return read(value) or bad(kind, value)
    end
end

--- The text of a list as JSON. Decimals are strings in it.
---@param list eloquent.LongList
---@return fun(values: any[]): string
function lists.json(list)
    local read, kind = reader(list), list.kind
    return function(values)
        local out = {}
        for i = 1, #values do
            local text = read(values[i])
            out[i] = bare[kind] and text or json_string(text)
        end
        return "[" .. concat(out, ",") .. "]"
    end
end

--- The text of a list as an array of PostgreSQL.
---@param list eloquent.LongList
---@return fun(values: any[]): string
function lists.array(list)
    local read, kind = reader(list), list.kind
    return function(values)
        local out = {}
        for i = 1, #values do
            local text = read(values[i])
            out[i] = bare[kind] and text or '"' .. text:gsub('["\\]', "\\%0") .. '"'
        end
        return "{" .. concat(out, ",") .. "}"
    end
end

return lists
