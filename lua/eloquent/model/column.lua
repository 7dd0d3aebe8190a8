-- SPDX-License-Identifier: MIT
--
-- column() and relation(): what stands in a model's schema. Each checks what can be known
-- where it is written, and remembers that place and its turn, because a Lua table forgets
-- the order it was written in. What needs the whole model is checked by its definition.

local later = require("eloquent.support.later")
local errors = require("eloquent.core.errors")
local fail = later("eloquent.support.misuse")
local nearest = later("eloquent.support.nearest")
local types = require("eloquent.schema.types")

local column = {}

---@class eloquent.Column what column() returns
---@field spec eloquent.ColumnSpec
---@field turn integer later calls have larger ones
---@field file string|nil
---@field line integer|nil
local Column = { __name = "eloquent.Column" }

---@class eloquent.Relation what relation() returns
---@field kind string
---@field model string|nil nil for morphTo
---@field options table
---@field turn integer
---@field file string|nil
---@field line integer|nil
local Relation = { __name = "eloquent.Relation" }

local turns = 0

local function declare(fields, class)
    turns = turns + 1
    fields.turn = turns
    fields.file, fields.line = errors.position()
    return setmetatable(fields, class)
end

--- Declares a column of a model's schema.
---
---     name = column("string", 100, { notNull = true, index = true })
---
---@param kind string one of the column types; the nearest is named when there is none
---@param length integer|nil characters of a string (255 when nil), bytes of a binary
---@param options table|nil primary notNull nullable unique index unsigned default useTz
--- defaultNow comment precision scale values auto, where the type has them
---@return eloquent.Column
function column.column(kind, length, options)
    local subject = type(kind) == "string" and ('column("%s")'):format(kind) or "column"
    return declare({ spec = types.check(subject, kind, length, options) }, Column)
end

--- True for what column() returned.
function column.is_column(value)
    return getmetatable(value) == Column
end

--- True for what relation() returned.
function column.is_relation(value)
    return getmetatable(value) == Relation
end

-- What each kind needs, and what it may have beside that.
local kinds = {
    hasOne = { "foreignKey", "localKey latest oldest ofMany where default" },
    hasMany = { "foreignKey", "localKey where" },
    belongsTo = { "foreignKey", "ownerKey where default" },
    belongsToMany = {
        "pivotTable pivotLocalKey pivotForeignKey",
        "localKey ownerKey pivotColumns pivotTimestamps where",
    },
    hasOneThrough = { "through", "foreignKey localKey ownerKey where default" },
    hasManyThrough = { "through", "foreignKey localKey ownerKey where" },
    morphOne = { "morphName", "localKey latest oldest ofMany where default" },
    morphMany = { "morphName", "localKey where" },
    morphTo = { "morphName", "ownerKey default" },
    morphToMany = {
        "morphName pivotTable pivotForeignKey",
        "localKey ownerKey pivotColumns pivotTimestamps where",
    },
    morphedByMany = {
        "morphName pivotTable pivotForeignKey",
        "localKey ownerKey pivotColumns pivotTimestamps where",
    },
}

local documents_only = { embedsOne = true, embedsMany = true }

local option_types = {
    foreignKey = "string",
    ownerKey = "string",
    localKey = "string",
    pivotTable = "string",
    pivotLocalKey = "string",
    pivotForeignKey = "string",
    morphName = "string",
    through = "string",
    pivotColumns = "list",
    pivotTimestamps = "boolean",
    latest = "boolean or string",
    oldest = "boolean or string",
    ofMany = "string or table or function",
    where = "table or function",
    default = "boolean or table or function",
}

local function words(text)
    local list = {}
    for word in text:gmatch("%a+") do
        list[#list + 1] = word
    end
    return list
end

local function is_list_of_strings(value)
    if type(value) ~= "table" then
        return false
    end
    local count = 0
    for key, item in pairs(value) do
        count = count + 1
        if math.type(key) ~= "integer" or type(item) ~= "string" then
            return false
        end
    end
    return count == #value and count > 0
end

local function fits(value, expected)
    if expected == "list" then
        return is_list_of_strings(value)
    end
    if value == "" then
        return false
    end
    for name in expected:gmatch("%a+") do
        if type(value) == name then
            return true
        end
    end
    return false
end

local function check_relation_options(subject, kind, options)
    local rule = kinds[kind]
    local known = words(rule[1] .. " " .. rule[2])
    local allowed = {}
    for _, name in ipairs(known) do
        allowed[name] = true
    end
    local copy, keys = {}, {}
    for key in pairs(options) do
        keys[#keys + 1] = key
    end
    table.sort(keys, function(a, b)
        return tostring(a) < tostring(b)
    end)
    for _, key in ipairs(keys) do
        local value = options[key]
        if not allowed[key] then
            local hint = nearest.hint(key, known)
            fail(
                subject,
                'has no option "%s"%s; a %s takes %s',
                tostring(key),
                hint,
                kind,
                table.concat(known, ", ")
            )
        end
        if not fits(value, option_types[key]) then
            local expected = option_types[key]
            expected = expected == "list" and "list of names" or expected
            fail(subject, 'option "%s" takes a %s', key, expected)
        end
        copy[key] = value
    end
    for _, key in ipairs(words(rule[1])) do
        if copy[key] == nil then
            fail(subject, "needs %s: { %s = ... }", key, key)
        end
    end
    return copy
end

local function check_related_model(subject, kind, model)
    if kind == "morphTo" then
        if model ~= nil then
            fail(
                subject,
                "finds its model in each row; write nil in the place of the model's name"
            )
        end
    elseif type(model) ~= "string" or not model:find("^[%a_][%w_]*$") then
        fail(
            subject,
            'the second argument is the name of a model, like "Post", found a %s',
            type(model)
        )
    end
end

--- Declares a relation of a model's schema. The other model is named, so that files may
--- refer to each other; it is looked up when the relation is used.
---
---     posts = relation("hasMany", "Post", { foreignKey = "user_id" })
---
---@param kind string hasOne hasMany belongsTo belongsToMany hasOneThrough hasManyThrough
--- morphOne morphMany morphTo morphToMany morphedByMany
---@param model string|nil name of the other model; nil for morphTo
---@param options table|nil foreignKey and the other keys that its kind needs
---@return eloquent.Relation
function column.relation(kind, model, options)
    if documents_only[kind] then
        fail(
            ('relation("%s")'):format(kind),
            "documents are embedded on MongoDB only; "
                .. "take hasOne or hasMany, or a column of type json"
        )
    end
    if type(kind) ~= "string" or not kinds[kind] then
        local hint = nearest.hint(kind, kinds)
        fail("relation", 'unknown kind "%s"%s', tostring(kind), hint)
    end
    local subject = ('relation("%s")'):format(kind)
    check_related_model(subject, kind, model)
    if options ~= nil and type(options) ~= "table" then
        fail(subject, "options are a table, found a %s", type(options))
    end
    local checked = check_relation_options(subject, kind, options or {})
    return declare({ kind = kind, model = model, options = checked }, Relation)
end

return column
