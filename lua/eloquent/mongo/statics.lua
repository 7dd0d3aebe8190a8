-- SPDX-License-Identifier: MIT
--
-- What models of MongoDB can do beyond, or otherwise than, those of tables
-- (model/statics.lua): finding by a key in any of its forms, creating, aggregate.
local commands = require("eloquent.mongo.commands")
local connections = require("eloquent.connections")
local core = require("eloquent.core.record")
local doc = require("eloquent.core.document")
local errors = require("eloquent.core.errors")
local null = require("eloquent.core.null")
local record_verbs = require("eloquent.mongo.record")
local rows = require("eloquent.support.later")("eloquent.mongo.rows")
local sql = require("eloquent.support.later")("eloquent.model.sql")
local values = require("eloquent.support.later")("eloquent.query.grammar.mongo_values")

local for_model = connections.for_model
local math_type = math.type
local mongo_kind = require("eloquent.mongo.kind")
local WHOLE <const> = mongo_kind.document

---@class eloquent.MongoModel : eloquent.Model
local Model = setmetatable({}, { __index = require("eloquent.model.statics") })

local function misuse(message, ...)
    errors.raise({ kind = "misuse", message = message:format(...) })
end

local check_colon = Model._checkColon

-- {{{ free-form documents as records

local function read_field(record, name)
    if type(name) ~= "string" then
        return nil
    elseif not core.has(record, WHOLE) then
        misuse("%s.%s was not selected by this query; add it to select(...)", core.model(record)._name, name)
    end
    local whole = core.get(record, WHOLE)
    local value = whole and whole[name]
    if value == null then
        return nil
    end
    return value
end

local function write_field(record, name, value)
    if type(name) ~= "string" or name:find("[.$]") then
        mongo_kind.check_field(core.model(record), name)
    end
    record_verbs._whole(record)[name] = value
end

--- The shape of the model's records.
function Model:_getShape()
    local shape = rawget(self, "_shape")
    if shape then
        return shape
    elseif not self._open then
        return require("eloquent.model.statics")._getShape(self)
    end
    shape = require("eloquent.core.shape").new({
        model = self._name,
        columns = self._columns,
        methods = self._methods,
        owner = self,
        missing = read_field,
        assign = write_field,
        open = true,
    })
    rawset(self, "_shape", shape)
    return shape
end

--- Drops from the fields of a record what the model hides; the others keep their order.
function Model:_visible(fields)
    if not self._open then
        return require("eloquent.model.statics")._visible(self, fields)
    end
    local visible, shown = self._options.visible, {}
    for _, name in ipairs(self._options.hidden or {}) do
        fields[name] = nil
    end
    for _, name in ipairs(visible or {}) do
        shown[name] = true
    end
    for _, name in ipairs(visible and doc.keys(fields) or {}) do
        if not shown[name] then
            fields[name] = nil
        end
    end
    return fields
end

-- }}}

--- A record that is not in the database yet.
---@param data? table<string, any>
---@return eloquent.Record
function Model:new(data)
    check_colon(self)
    if data and self._fillable then
        self:_checkFillable(data)
    end
    if self._open then
        mongo_kind.check_fields(self, data)
        data = { [WHOLE] = doc(data) }
    end
    return (core.new(self:_getShape(), data))
end

--- Inserts a document and returns its record.
---
---     local place = Place:create{ name = "Bern", location = { type = "Point" } }
---@param data? table<string, any>
---@return eloquent.Record
function Model:create(data)
    local record = Model.new(self, data)
    return record_verbs._insert(record, self, core.mask(record))
end

-- What `fn` gives; an error says which row it was about.
local function named(i, fn, ...)
    local ok, result = pcall(fn, ...)
    if ok then
        return result
    elseif errors.is(result) and not result.row and result.kind ~= "canceled" then
        result.row, result.message = i, ("row %d: %s"):format(i, result.message)
    end
    error(result, 0)
end

--- Inserts several documents, one after the other, in one transaction where there are any.
---@param list table<string, any>[]
---@return eloquent.Record[]
function Model:createMany(list)
    check_colon(self)
    if type(list) ~= "table" then
        misuse("createMany takes a list of tables, got a %s", type(list))
    end
    require("eloquent.query.fields").check_list(list, "createMany")
    local records = {}
    for i = 1, #list do -- all of them before the first is written
        local row = list[i]
        if type(row) ~= "table" then
            misuse("createMany: row %d is a %s; rows are tables of columns", i, type(row))
        end
        records[i] = named(i, Model.new, self, row)
    end
    return rows.atomically(for_model(self), function()
        for i, record in ipairs(records) do
            named(i, record_verbs._insert, record, self, core.mask(record))
        end
        return records
    end)
end

-- {{{ find

local counted = { increments = true, bigIncrements = true, integer = true, bigInteger = true, smallInteger = true }

-- The forms of a key to look for, one after the other.
local function forms_of(model, key)
    local column = model._column[model._key]
    local kind = column and column.type
    if counted[kind] then
        key = values.counted(model._name .. "." .. model._key)(key)
    elseif kind == "uuid" then
        key = values.uuid(key)
    elseif kind == "ulid" then
        key = values.ulid(key)
    elseif kind == "objectId" then
        key = values.object_id(model._name .. "." .. model._key)(key)
    end
    return values.forms(key)
end

local function plan_of(plans, model, field)
    local by = plans.by
    if not by then
        by = {}
        plans.by = by
    end
    local plan = by[field]
    if not plan then
        plan = commands.find(model, field, false)
        by[field] = plan
    end
    return plan
end

--- The record with that key, or nil. An object id is found by its digits, too; a model whose
--- key is `id` finds documents by `_id` as well.
---
---     local place = Place:find("64b7f0c2a9d3e45f67890123")
---@param key any
---@return eloquent.Record|nil
function Model:find(key)
    check_colon(self)
    if key == nil then
        misuse("%s:find expects a key, got nil", self._name)
    elseif key == null then
        return nil
    elseif self._soft_deletes or type(key) == "table" then
        return self:query():find(key)
    end
    local connection = self._via or for_model(self)
    local plans = self._plans
    if not plans or plans.connection ~= connection then
        plans = sql.plans(self, connection)
    end
    local conn = connection._core or connection:core()
    if math_type(key) == "integer" and not self._object_ids then -- it has no other form
        local record = conn:first(plan_of(plans, self, "_id"), key)
        if record or not self._id_mode then
            return record
        end
        return conn:first(plan_of(plans, self, self._key), key)
    end
    local forms = forms_of(self, key)
    for _, field in ipairs(self._id_mode and { "_id", self._key } or { "_id" }) do
        for _, form in ipairs(forms) do
            local record = conn:first(plan_of(plans, self, field), form)
            if record then
                return record
            end
        end
    end
    return nil
end

-- }}}

--- Runs a pipeline on the model's collection; the rows are documents as they come.
---
---     local counts = Place:aggregate{ { ["$group"] = { _id = "$country", n = { ["$sum"] = 1 } } } }
---@param pipeline table[]
---@param options? table  as the command takes them: allowDiskUse, maxTimeMS, hint, ...
---@return eloquent.List
function Model:aggregate(pipeline, options)
    check_colon(self)
    return self:collection():aggregate(pipeline, options)
end

--- The model's collection, for what only MongoDB has.
---@return eloquent.MongoCollection
function Model:collection()
    check_colon(self)
    return for_model(self):collection(self._table)
end

--- Makes the indexes that the schema and `database` ask for; those that are there stay.
---@return string[] names
function Model:createIndexes()
    check_colon(self)
    return require("eloquent.mongo.indexes").create(self)
end

return Model
