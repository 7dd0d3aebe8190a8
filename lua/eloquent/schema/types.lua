-- SPDX-License-Identifier: MIT
--
-- The column types and their options, and the checks of a column by itself: what a model's
-- column() and a migration's t:string() have in common. What a type is called in an
-- engine is that engine's grammar; what a default may be is schema/default.lua.

local later = require("eloquent.support.later")
local default = later("eloquent.schema.default")
local fail = later("eloquent.support.misuse")
local nearest = later("eloquent.support.nearest")

---@class eloquent.ColumnSpec a checked column, plain data but for `default`
---@field name string|nil
---@field type string
---@field length integer|nil characters of a string, bytes of a binary
---@field precision integer|nil
---@field scale integer|nil
---@field values string[]|nil of an enum
---@field unsigned boolean|nil
---@field primary boolean|nil
---@field notNull boolean|nil
---@field nullable boolean|nil
---@field unique boolean|nil
---@field index boolean|nil
---@field default any as it was written
---@field defaultNow boolean|nil
---@field useTz boolean|nil
---@field comment string|nil
---@field auto boolean|nil the program makes the key

local types = {}

-- Options of nearly every type; `values`, `precision`, ... are added where they mean
-- something.
local common = "primary notNull nullable unique index default comment"
local number = common .. " unsigned"

local options_of = {
    increments = "primary notNull unsigned comment",
    bigIncrements = "primary notNull unsigned comment",
    smallInteger = number,
    integer = number,
    bigInteger = number,
    boolean = "notNull nullable index default comment",
    string = common,
    text = common,
    decimal = common .. " precision scale",
    float = "notNull nullable unique index default comment",
    double = "notNull nullable unique index default comment",
    date = common,
    time = common,
    timestamp = common .. " useTz defaultNow",
    timestamps = "useTz defaultNow",
    softDeletes = "useTz index comment",
    json = "notNull nullable default comment",
    uuid = common .. " auto",
    ulid = common .. " auto",
    objectId = "primary notNull nullable unique index comment",
    binary = common,
    enum = common .. " values",
}

-- Lua type of each option; `default` depends on the column.
local option_types = {
    primary = "boolean",
    notNull = "boolean",
    nullable = "boolean",
    unique = "boolean",
    index = "boolean",
    unsigned = "boolean",
    useTz = "boolean",
    defaultNow = "boolean",
    auto = "boolean",
    comment = "string",
    precision = "integer",
    scale = "integer",
    values = "table",
    default = "any",
}

-- What other programs call our types and options.
local meant_types = {
    int = "integer",
    int2 = "smallInteger",
    int4 = "integer",
    int8 = "bigInteger",
    bigint = "bigInteger",
    smallint = "smallInteger",
    serial = "increments",
    bigserial = "bigIncrements",
    number = "integer",
    bool = "boolean",
    char = "string",
    varchar = "string",
    longtext = "text",
    numeric = "decimal",
    real = "float",
    datetime = "timestamp",
    timestamptz = "timestamp",
    jsonb = "json",
    blob = "binary",
    bytea = "binary",
    softdelete = "softDeletes",
}
local meant_options = {
    required = "notNull",
    null = "nullable",
    usecurrent = "defaultNow",
    pk = "primary",
    key = "primary",
    autoincrement = "increments",
    total = "precision",
    places = "scale",
}

-- The longest a column may be declared; PostgreSQL's limit for varchar.
local longest = { string = 10485760, binary = 2147483647 }

-- The options of a type, as a set that is made when it is first asked for.
local allowed = setmetatable({}, {
    __index = function(sets, type_name)
        local set = {}
        for word in options_of[type_name]:gmatch("%a+") do
            set[word] = true
        end
        sets[type_name] = set
        return set
    end,
})

--- Types whose values the database counts up itself.
types.increments = { increments = true, bigIncrements = true }

local function type_of(value)
    return math.type(value) or type(value)
end

--- The keys of a table in an order that never changes.
---@return any[]
local function sorted_keys(set)
    local keys = {}
    for key in pairs(set) do
        keys[#keys + 1] = key
    end
    table.sort(keys, function(a, b)
        return tostring(a) < tostring(b)
    end)
    return keys
end

types.sorted_keys = sorted_keys

--- Names of all column types, sorted.
---@return string[]
function types.names()
    return sorted_keys(options_of)
end

local function check_option(subject, type_name, key, value)
    if type(key) ~= "string" then
        fail(
            subject,
            "options are written { name = value }, found a %s without a name",
            type_of(value)
        )
    end
    if not allowed[type_name][key] then
        if option_types[key] then
            fail(
                subject,
                'a column of type %s has no option "%s"; it takes %s',
                type_name,
                key,
                table.concat(sorted_keys(allowed[type_name]), ", ")
            )
        end
        local hint = nearest.hint(key, allowed[type_name], meant_options)
        fail(subject, 'unknown option "%s"%s', key, hint)
    end
    local expected = option_types[key]
    if expected ~= "any" and type_of(value) ~= expected then
        local article = expected == "integer" and "an" or "a"
        fail(
            subject,
            'option "%s" takes %s %s, found a %s',
            key,
            article,
            expected,
            type_of(value)
        )
    end
end

local function check_length(subject, spec, length)
    local kind = spec.type
    if length == nil then
        spec.length = kind == "string" and 255 or nil
        return
    end
    if type(length) == "table" then
        fail(
            subject,
            'the second argument is the length; write column("%s", nil, { ... })',
            kind
        )
    end
    if kind == "decimal" then
        fail(
            subject,
            'a decimal has no length; write column("decimal", nil, '
                .. "{ precision = 12, scale = 2 })"
        )
    end
    if not longest[kind] then
        fail(subject, "a column of type %s has no length; write nil in its place", kind)
    end
    if math.type(length) ~= "integer" or length < 1 or length > longest[kind] then
        fail(
            subject,
            "the length is a whole number from 1 to %d, found %s",
            longest[kind],
            math.type(length) and tostring(length) or "a " .. type(length)
        )
    end
    spec.length = length
end

local function check_decimal(subject, spec)
    local precision = spec.precision or 10
    local scale = spec.scale or math.min(2, precision)
    if precision < 1 or precision > 65 then
        fail(
            subject,
            "precision (all digits) is a whole number from 1 to 65, found %d",
            precision
        )
    end
    if scale < 0 or scale > 30 then
        fail(
            subject,
            "scale (digits after the point) is a whole number from 0 to 30, found %d",
            scale
        )
    end
    if scale > precision then
        fail(
            subject,
            "scale %d is larger than precision %d; precision counts all digits",
            scale,
            precision
        )
    end
    spec.precision, spec.scale = precision, scale
end

local function check_values(subject, spec)
    local values = spec.values
    if not values or #values == 0 then
        fail(
            subject,
            'an enum needs its values: column("enum", nil, { values = { "a", "b" } })'
        )
    end
    local copy, seen, count = {}, {}, 0
    for _ in pairs(values) do
        count = count + 1
    end
    if count ~= #values then
        fail(subject, "values is a list of strings without holes or names")
    end
    for i, value in ipairs(values) do
        if
            type(value) ~= "string"
            or not utf8.len(value)
            or value:find("%z")
            or not value:find("[^ ]$")
        then
            fail(
                subject,
                "value %d of the enum is not a string of text without a space at its end",
                i
            )
        end
        if seen[value] then
            fail(subject, 'the enum has the value "%s" twice', value)
        end
        seen[value], copy[i] = true, value
    end
    spec.values = copy
end

local function check_null(subject, spec)
    if spec.notNull ~= nil and spec.nullable ~= nil and spec.notNull == spec.nullable then
        fail(
            subject,
            "notNull = %s and nullable = %s contradict each other; write one",
            spec.notNull,
            spec.nullable
        )
    end
    if spec.primary and (spec.nullable or spec.notNull == false) then
        fail(subject, "a primary key can't be NULL; leave nullable out")
    end
end

--- Checks what can be known of a column by itself and fills what follows from its type
--- (length of a string, precision of a decimal). Raises an error of kind "misuse".
---@param subject string|eloquent.Subject how messages name it, as in `column("string")`
---@param type_name string
---@param length any
---@param options table|nil
---@return eloquent.ColumnSpec
function types.check(subject, type_name, length, options)
    if type(type_name) ~= "string" then
        fail(
            subject,
            "the first argument is the type's name, found a %s",
            type_of(type_name)
        )
    end
    if not options_of[type_name] then
        local names = types.names()
        local hint = nearest.hint(type_name, names, meant_types)
        if hint == "" then
            hint = "; the types are " .. table.concat(names, ", ")
        end
        fail(subject, 'unknown column type "%s"%s', type_name, hint)
    end
    if options ~= nil and type(options) ~= "table" then
        fail(subject, "options are a table, found a %s", type_of(options))
    end
    local spec = { type = type_name }
    for _, key in ipairs(sorted_keys(options or {})) do
        check_option(subject, type_name, key, options[key])
        spec[key] = options[key]
    end
    check_length(subject, spec, length)
    types.recheck(subject, spec)
    return spec
end

--- The checks that need several options together; migrations call it again after their
--- modifiers.
---@param subject string|eloquent.Subject
---@param spec eloquent.ColumnSpec
function types.recheck(subject, spec)
    if spec.type == "decimal" then
        check_decimal(subject, spec)
    elseif spec.type == "enum" then
        check_values(subject, spec)
    end
    if types.increments[spec.type] then
        if spec.primary == false or spec.notNull == false then
            fail(subject, "a column of type %s is the primary key always", spec.type)
        end
        spec.primary = true
    end
    check_null(subject, spec)
    if spec.default ~= nil then
        if spec.defaultNow then
            fail(subject, "a column has one default: default or defaultNow, not both")
        end
        if spec.auto then
            fail(
                subject,
                "auto = true lets the program make the key; it can't have a default"
            )
        end
        default.plain(subject, spec)
    end
end

--- Checks one option as a modifier of a migration's column gives it, and sets it.
---@param subject string|eloquent.Subject
---@param spec eloquent.ColumnSpec
---@param key string
---@param value any
function types.set(subject, spec, key, value)
    check_option(subject, spec.type, key, value)
    spec[key] = value
end

--- Whether the column takes NULL by the rule of models: yes, unless it is the key or says
--- otherwise.
---@param spec eloquent.ColumnSpec
---@return boolean
function types.nullable(spec)
    if spec.primary or spec.notNull then
        return false
    end
    return spec.nullable ~= false
end

return types
