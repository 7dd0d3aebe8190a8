-- SPDX-License-Identifier: MIT
--
-- Defaults of columns: checks what a script gave against the column's type and turns it
-- into plain data, which a grammar can write as a literal. Plain data is a boolean, a
-- number or a string; { null = true } is NULL and { raw = "sql" } an expression.

local misuse = require("eloquent.support.misuse")
local null = require("eloquent.core.null")
local raw = require("eloquent.schema.raw")

local default = {}

local function fail(subject, message, ...)
    misuse(subject, "the default " .. message, ...)
end

-- "eloquent.Decimal", or nil for values of Lua itself.
local function class_of(value)
    local meta = debug.getmetatable(value)
    local name = type(meta) == "table" and rawget(meta, "__name")
    return type(name) == "string" and name:find("^eloquent%.") and name or nil
end

local function kind_of(value)
    return class_of(value) or math.type(value) or type(value)
end

local function want(subject, what, value)
    fail(subject, "of a %s, found a %s", what, kind_of(value))
end

local ranges = {
    smallInteger = { -32768, 32767, 65535 },
    integer = { -2147483648, 2147483647, 4294967295 },
    bigInteger = { math.mininteger, math.maxinteger, math.maxinteger },
}

local function below_2_64(digits)
    local limit = "18446744073709551615"
    return #digits < #limit or #digits == #limit and digits <= limit
end

local function whole(subject, spec, value)
    if spec.unsigned and class_of(value) == "eloquent.Decimal" then
        local digits = tostring(value)
        if
            spec.type == "bigInteger"
            and digits:find("^%d+$")
            and below_2_64(digits)
        then
            return digits
        end
        fail(subject, "is out of the range of an unsigned %s", spec.type)
    end
    local number = math.type(value) and math.tointeger(value)
    if not number then
        want(subject, "column of type " .. spec.type .. " is a whole number", value)
    end
    local range = ranges[spec.type]
    local low = spec.unsigned and 0 or range[1]
    local high = spec.unsigned and range[3] or range[2]
    if number < low or number > high then
        fail(
            subject,
            "%d is out of the range of %s%s (%d to %d)",
            number,
            spec.unsigned and "an unsigned " or "a ",
            spec.type,
            low,
            high
        )
    end
    return number
end

local function decimal(subject, spec, value)
    local text
    if class_of(value) == "eloquent.Decimal" or math.type(value) == "integer" then
        text = tostring(value)
    elseif type(value) == "string" then
        text = value
    else
        want(
            subject,
            'decimal is a decimal, an integer or a string like "0.50"',
            value
        )
    end
    local sign, digits, fraction = text:match("^(%-?)(%d+)%.?(%d*)$")
    if not digits then
        fail(subject, 'of a decimal is written in digits, like "0.50"')
    end
    digits = digits:gsub("^0+(%d)", "%1")
    local room = spec.precision - spec.scale
    if #fraction > spec.scale or digits ~= "0" and #digits > room then
        fail(
            subject,
            "%s doesn't fit precision %d and scale %d",
            text,
            spec.precision,
            spec.scale
        )
    end
    fraction = fraction .. ("0"):rep(spec.scale - #fraction)
    return sign .. digits .. (spec.scale > 0 and "." .. fraction or "")
end

local function float(subject, spec, value)
    local number = math.type(value) and value + 0.0
    if not number or number ~= number or number == math.huge or number == -math.huge then
        want(subject, spec.type .. " is a finite number", value)
    end
    return number
end

local function boolean(subject, _, value)
    if type(value) ~= "boolean" then
        want(subject, "boolean is true or false", value)
    end
    return value
end

local function text(subject, spec, value)
    if type(value) ~= "string" then
        want(subject, spec.type .. " is a string", value)
    end
    local length = utf8.len(value)
    if not length or value:find("%z") then
        fail(
            subject,
            "of a %s is UTF-8 text; for other bytes take type binary",
            spec.type
        )
    end
    if spec.length and length > spec.length then
        fail(
            subject,
            "has %d characters, more than the column's %d",
            length,
            spec.length
        )
    end
    return value
end

local function bytes(subject, spec, value)
    if type(value) ~= "string" then
        want(subject, "binary is a string", value)
    end
    if spec.length and #value > spec.length then
        fail(subject, "has %d bytes, more than the column's %d", #value, spec.length)
    end
    return value
end

local function enum(subject, spec, value)
    for _, known in ipairs(spec.values) do
        if known == value then
            return value
        end
    end
    fail(
        subject,
        "of an enum is one of its values (%s)",
        table.concat(spec.values, ", ")
    )
end

local function uuid(subject, _, value)
    local hex = type(value) == "string" and value:lower()
    local pattern = "^" .. ("%x"):rep(8) .. ("%-%x%x%x%x"):rep(3) .. "%-" .. ("%x"):rep(12)
    if not hex or not hex:find(pattern .. "$") then
        fail(
            subject,
            'of a uuid is a string like "018f2f5c-7b1e-7c3a-9d55-0242ac120002"'
        )
    end
    return hex
end

local function ulid(subject, _, value)
    if type(value) ~= "string" or not value:find("^%w+$") or #value ~= 26 then
        fail(subject, "of a ulid is a string of 26 letters and digits")
    end
    return value
end

local month_days = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }

local function is_date(value)
    local year, month, day = value:match("^(%d%d%d%d)%-(%d%d)%-(%d%d)$")
    if not year then
        return false
    end
    year, month, day = tonumber(year), tonumber(month), tonumber(day)
    local leap = year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0)
    local last = month == 2 and leap and 29 or month_days[month]
    return year > 0 and last ~= nil and day >= 1 and day <= last
end

local function is_time(value)
    local hour, minute, second, rest = value:match("^(%d%d):(%d%d):(%d%d)(.*)$")
    return hour ~= nil
        and tonumber(hour) < 24
        and tonumber(minute) < 60
        and tonumber(second) < 60
        and (rest == "" or rest:find("^%.%d+$") ~= nil and #rest <= 7)
end

local function date(subject, _, value)
    if type(value) ~= "string" or not is_date(value) then
        fail(subject, 'of a date is a string like "2024-02-29"')
    end
    return value
end

local function time(subject, _, value)
    if type(value) ~= "string" or not is_time(value) then
        fail(subject, 'of a time is a string like "18:30:00"')
    end
    return value
end

local function timestamp(subject, _, value)
    local moment = class_of(value) == "eloquent.DateTime" and tostring(value) or value
    if type(moment) == "string" then
        local day, clock = moment:match("^(%S-)[ T](.-)Z?$")
        if day and is_date(day) and is_time(clock) then
            local fraction = clock:match("%.(%d+)$") or ""
            local seconds = clock:sub(1, 8)
            return ("%s %s.%s"):format(day, seconds, fraction .. ("0"):rep(6 - #fraction))
        end
    end
    fail(
        subject,
        'of a timestamp is a datetime or UTC text like "2024-02-29 18:30:00"'
    )
end

local function json(_, _, value)
    return require("eloquent.core.json").encode(value)
end

local by_type = {
    smallInteger = whole,
    integer = whole,
    bigInteger = whole,
    decimal = decimal,
    float = float,
    double = float,
    boolean = boolean,
    string = text,
    text = text,
    binary = bytes,
    enum = enum,
    uuid = uuid,
    ulid = ulid,
    date = date,
    time = time,
    timestamp = timestamp,
    json = json,
}

--- The default of a column as plain data. Raises an error of kind "misuse" when it can't
--- be the default of such a column.
---@param subject string|eloquent.Subject how messages name the column
---@param spec eloquent.ColumnSpec with `default`
---@return boolean|number|string|table
function default.plain(subject, spec)
    local value = spec.default
    if value == null then
        if spec.primary or spec.notNull or spec.nullable == false then
            fail(subject, "of a column that can't be NULL is not null")
        end
        return { null = true }
    end
    local sql = raw.text(value, function(message)
        misuse(subject, message)
    end)
    if sql then
        return { raw = sql }
    end
    return by_type[spec.type](subject, spec, value)
end

return default
