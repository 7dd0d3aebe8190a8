-- SPDX-License-Identifier: MIT
--
-- What models can do: `User:create`, `User:find` and every verb of the query builder. A
-- model table finds them by its metatable.
local connections = require("eloquent.connections")
local core = require("eloquent.core.record")
local errors = require("eloquent.core.errors")
local sql = require("eloquent.model.sql")

local type = type
local for_model = connections.for_model
local new_record = core.new
local record_verbs = require("eloquent.model.record")
local insert = record_verbs._insert

---@class eloquent.Model
local Model = {}

local function misuse(message, ...)
    errors.raise({ kind = "misuse", message = message:format(...) })
end

--- `User.find(1)` passes 1 as the model.
local function check_colon(model)
    if type(model) ~= "table" or not rawget(model, "_columns") then
        misuse("call the model's verbs with a colon, as in User:find(1)")
    end
end

Model._checkColon = check_colon

--- Verbs of the query builder that a model has too: `User:where(…)` starts a query. Each
--- stands between two blanks.
local QUERY_VERBS <const> = " \z
    where orWhere whereNot orWhereNot whereIn orWhereIn whereNotIn orWhereNotIn \z
    whereNull orWhereNull whereNotNull orWhereNotNull whereBetween orWhereBetween \z
    whereNotBetween orWhereNotBetween whereColumn orWhereColumn whereLike orWhereLike \z
    whereNotLike orWhereNotLike whereDate whereYear whereMonth whereDay orWhereDate \z
    orWhereYear orWhereMonth orWhereDay whereExists whereNotExists orWhereExists \z
    orWhereNotExists whereRaw orWhereRaw select addSelect selectRaw distinct join \z
    leftJoin rightJoin crossJoin joinSub leftJoinSub groupBy having orHaving havingRaw \z
    orHavingRaw orderBy orderByDesc orderByRaw latest oldest inRandomOrder reorder \z
    limit offset forPage union unionAll explain lockForUpdate sharedLock when unless \z
    tap withTrashed onlyTrashed all get first firstOrFail firstWhere findMany \z
    findOrFail sole value pluck exists doesntExist count sum avg min max each chunk \z
    chunkById lazy cursor paginate simplePaginate insert insertOrIgnore insertGetId \z
    upsert truncate \z
"

local misspelled = require("eloquent.support.verbs").missing("a model", Model, QUERY_VERBS)

--- Verbs that queries have and models don't: they would be for all rows. And those that are for one row.
local OF_QUERIES <const> = {
    update = "updateById(key, data)", increment = false, decrement = false,
    delete = "deleteById(key)", forceDelete = false, restore = "restoreById(key)",
}

local function missing(verb)
    local one = OF_QUERIES[verb]
    if one ~= nil then
        misuse("a model has no verb '%s'; query():%s(...) is for all rows, query():where(...):%s(...) for some%s", verb,
            verb, verb, one and ", " .. one .. " for one" or "")
    elseif verb:byte() ~= 95 and type(record_verbs[verb]) == "function" then
        misuse("a model has no verb '%s', its records have: record:%s(...)", verb, verb)
    end
    return misspelled(nil, verb)
end

local function is_query_verb(name)
    return QUERY_VERBS:find(" " .. name .. " ", 1, true) ~= nil
end

local new_query -- the query builder loads when the first query begins

-- Verbs of queries are made when they are first asked for; others are misspelled, but for
-- fields of models, which begin with "_" and may be absent.
local function query_verb(_, verb)
    if type(verb) ~= "string" or verb:byte() == 95 then
        return nil
    elseif not is_query_verb(verb) then
        return missing(verb)
    end
    local function forward(self, ...)
        local query = Model.query(self)
        return query[verb](query, ...)
    end
    Model[verb] = forward
    return forward
end

setmetatable(Model, { __index = query_verb })

--- A query on the model's table.
---@return eloquent.Query
function Model:query()
    check_colon(self)
    new_query = new_query or require("eloquent.query.builder").new
    return new_query(self)
end

-- {{{ definition, as the core wants it

--- The shape of the model's records.
function Model:_getShape()
    local shape = rawget(self, "_shape")
    if not shape then
        shape = require("eloquent.core.shape").new({
            model = self._name,
            columns = self._columns,
            methods = self._methods,
            owner = self,
        })
        rawset(self, "_shape", shape)
        local auto = {}
        for _, column in ipairs(self._columns) do
            if column.auto then
                auto[#auto + 1] = column
            end
        end
        -- False rather than absent: an absent field is looked for in the verbs each time.
        rawset(self, "_auto", auto[1] and auto or false)
        rawset(self, "_timestamps", self._timestamps or false)
        rawset(self, "_soft_deletes", self._soft_deletes or false)
        rawset(self, "_fillable", self._fillable or false)
        rawset(self, "_plans", false)
        local stamps = self._timestamps or {}
        core.writes(shape, {
            creates = not (self._auto or self._fillable),
            saves = true,
            deletes = not self._soft_deletes,
            created = stamps.created,
            updated = stamps.updated,
        })
    end
    return shape
end

--- Refuses attributes that `fillable` does not list.
function Model:_checkFillable(data)
    local fillable = self._fillable
    if not fillable then
        return
    end
    for name in pairs(data) do
        if not fillable[name] and (self._open or self._column[name]) then
            misuse(
                "%s.%s is not in the model's fillable list; set it by name: record.%s = value",
                self._name,
                name,
                name
            )
        end
    end
end

--- Drops from a plain table what the model hides.
function Model:_visible(values)
    local options = self._options
    for _, name in ipairs(options and options.hidden or {}) do
        values[name] = nil
    end
    if options and options.visible then
        local visible = {}
        for _, name in ipairs(options.visible) do
            visible[name] = values[name]
        end
        return visible
    end
    return values
end

--- Whether models have a verb of that name.
---@param name string
---@return boolean
function Model._hasVerb(name)
    return rawget(Model, name) ~= nil or is_query_verb(name)
end

-- }}}

--- A record that is not in the database yet.
---
---     local user = User:new{ name = "Ada" }
---@param data? table<string, any>
---@return eloquent.Record
function Model:new(data)
    if type(self) ~= "table" then
        check_colon(self)
    end
    if data and self._fillable then
        self:_checkFillable(data)
    end
    return (new_record(self._shape or self:_getShape(), data))
end

--- Inserts a row and returns its record, with the values that the database made.
---
---     local user = User:create{ name = "Ada", email = "ada@example.org" }
---@param data? table<string, any>  eloquent.null for NULL
---@return eloquent.Record
---Raises kind "value" for what a column can't hold, and what the database refuses.
function Model:create(data)
    local shape = self._shape
    if not shape then
        check_colon(self)
        shape = self:_getShape()
    end
    if data and self._fillable then
        self:_checkFillable(data)
    end
    local record, written = new_record(shape, data)
    return insert(record, self, written)
end

Model.create = core.verb("create", Model.create, "_shape", record_verbs._unwritten)

--- Inserts several rows, one after the other, in one transaction.
---@param rows table<string, any>[]
---@return eloquent.Record[]
function Model:createMany(rows)
    check_colon(self)
    if type(rows) ~= "table" then
        misuse("createMany takes a list of tables, got a %s", type(rows))
    end
    require("eloquent.query.fields").check_list(rows, "createMany")
    for i = 1, #rows do
        if type(rows[i]) ~= "table" then
            misuse("createMany: row %d is a %s; rows are tables of columns", i, type(rows[i]))
        end
    end
    return self:transaction(function()
        local records = {}
        for i = 1, #rows do
            local ok, record = pcall(self.create, self, rows[i])
            if not ok then
                if errors.is(record) and not record.row and record.kind ~= "canceled" then
                    record.row, record.message = i, ("row %d: %s"):format(i, record.message)
                end
                error(record, 0)
            end
            records[i] = record
        end
        return records
    end)
end

--- The record with that primary key, or nil.
---
---     local user = User:find(1)
---@param key any
---@return eloquent.Record|nil
function Model:find(key)
    if type(self) ~= "table" then
        check_colon(self)
    end
    if self._soft_deletes then
        return self:query():find(key)
    end
    local connection = self._via or for_model(self)
    local plans = self._plans
    if not plans or plans.connection ~= connection then
        plans = sql.plans(self, connection)
    end
    local plan = plans.find
    if not plan then
        if not self._key then
            misuse("%s has no primary key to find by", self._name)
        end
        plan = sql.find(self, connection:dialect())
        plans.find = plan
    end
    if key == nil then
        misuse("%s:find expects a key, got nil", self._name)
    end
    return (connection._core or connection:core()):first(plan, key)
end

--- The first record whose field has the value, or nil.
---@param field string
---@param value any
---@return eloquent.Record|nil
function Model:findOneBy(field, value)
    check_colon(self)
    return self:query():where(field, value):first()
end

local function by_key(model, key, verb)
    if not model._key then
        misuse("%s goes by the primary key, and %s has none", verb, model._name)
    end
    return model:query():where(model._key, key)
end

--- Writes columns of the row with that key.
---@param key any
---@param data table<string, any>
---@return integer rows  0 when there is no such row
function Model:updateById(key, data)
    check_colon(self)
    self:_checkFillable(data)
    return by_key(self, key, "updateById"):update(data)
end

--- Deletes the row with that key.
---@param key any
---@return integer rows
function Model:deleteById(key)
    check_colon(self)
    return by_key(self, key, "deleteById"):delete()
end

--- Brings back the softly deleted row with that key.
---@param key any
---@return integer rows
function Model:restoreById(key)
    check_colon(self)
    return by_key(self, key, "restoreById"):restore()
end

--- Runs `fn` in a transaction on the model's connection; see eloquent.transaction.
---@param fn fun(tx: eloquent.Connection): any
---@param options? { attempts?: integer, isolation?: string }
function Model:transaction(fn, options)
    check_colon(self)
    return for_model(self):transaction(fn, options)
end

--- The connection that the model uses now.
---@return eloquent.Connection
function Model:connection()
    check_colon(self)
    return for_model(self)
end

return Model
