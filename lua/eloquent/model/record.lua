-- SPDX-License-Identifier: MIT
--
-- What records can do: the methods of every row of a model. Values and dirty tracking are
-- eloquent.core.record; here is when and how a record is written.
local connections = require("eloquent.connections")
local core = require("eloquent.core.record")
local datetime = require("eloquent.core.datetime")
local errors = require("eloquent.core.errors")
local journal = require("eloquent.support.later")("eloquent.model.journal")
local sql = require("eloquent.model.sql")

local mask, set, exists = core.mask, core.set, core.exists
local for_model = connections.for_model
local now = datetime.now

---@class eloquent.Record
local Record = {}

-- What a store has its own way for, beside fill, save and forceDelete: mongo/record.lua.
Record._place = "table"
Record._now = now

function Record._get(record, _, name)
    return core.get(record, name)
end

function Record._set(record, _, name, value)
    set(record, name, value)
end

function Record._original(record, _, name)
    return core.original(record, name)
end

--- Undoes in `kept`, the values that a rolled back record keeps, what the model has set.
function Record._take_back(_, kept, name)
    kept[name] = nil
end

local function fail(kind, model, message, ...)
    errors.raise({
        kind = kind,
        table = model._table,
        message = message:format(...),
    })
end

local function need_key(model, verb)
    if not model._key then
        fail("misuse", model, "%s has no primary key, so a record cannot be %s; mark a column with "
            .. "{ primary = true }", model._name, verb)
    end
end

--- Sets a timestamp column that the script has not set itself.
local function touch(record, column, time)
    if not core.isDirty(record, column) then
        set(record, column, time)
    end
end

--- Client-made keys: a column with `auto` that has no value yet.
local function make_keys(record, model)
    for _, column in ipairs(model._auto or {}) do
        if core.get(record, column.name) == nil then
            local uid = require("eloquent.core.uid")
            set(record, column.name, column.type == "ulid" and uid.ulid() or uid.uuid7())
        end
    end
end

local function stamp(record, stamps)
    local time = now()
    if stamps.created then
        touch(record, stamps.created, time)
    end
    if stamps.updated then
        touch(record, stamps.updated, time)
    end
end

--- Reads what the engine filled in, where its insert returns nothing.
local function read_back(record, model, connection, known)
    local back = known.back
    if not back then
        back = sql.read_back(model, connection:dialect(), known.reads)
        known.back = back
    end
    local row = connection:core():first(back, core.get(record, model._key))
    if row then
        core.absorb(record, row)
    end
end

--- The short way of the core may run the plan from now on.
local function remember(model, conn, verb, plan, key)
    if key == nil or math.type(key) == "integer" then
        core.remember(model._shape, conn, verb, plan, key)
    end
end

-- True, and the record counts as saved, where a write that tells of no row may have been one.
local function may_be_written(record, model)
    local connection = model._via or for_model(model)
    if not connection:dialect():writes_unseen(connection, model._table) then
        return false
    end
    core.sync(record)
    core.setExists(record, true)
    return true
end

--- What becomes of a record when the database took its insert and tells of no row.
function Record._unwritten(record)
    local model = core.model(record)
    if not may_be_written(record, model) then
        fail("check", model, "the database took the insert of a new %s and wrote no row into '%s'; "
            .. "a trigger or rule of the table has kept it out", model._name, model._table)
    end
end

--- Inserts a new record, `key` being the mask of what was written.
function Record._insert(record, model, key)
    local connection = model._via or for_model(model)
    local conn = connection._core or connection:core()
    local stamps, notes = model._timestamps, connection._journal
    if notes then
        journal.inserting(notes, record, key)
    end
    if stamps or model._auto then
        if stamps then
            stamp(record, stamps)
        end
        make_keys(record, model)
        key = mask(record)
    end
    local plans = model._plans
    if not plans or plans.connection ~= connection then
        plans = sql.plans(model, connection)
    end
    local known = plans.insert[key]
    if not known then
        known = sql.insert(model, connection:dialect(), core.dirty(record), conn)
        plans.insert[key] = known
    end
    if not conn:insert(known.plan, record) then
        Record._unwritten(record)
    end
    if not known.reads then
        remember(model, conn, "insert", known.plan, key)
    end
    if known.reads and model._key then
        read_back(record, model, connection, known)
    end
    return record
end

local insert = Record._insert

function Record._gone(model, what)
    fail("notFound", model, "%s with this key is no longer in the %s '%s'%s", model._name,
        model._records._place, model._table, what)
end

local gone = Record._gone

-- With `lenient`, nil says that the row is gone.
local function update(record, model, key, lenient)
    if key == 0 or type(key) == "string" and not core.isDirty(record) then
        return record
    end
    need_key(model, "saved")
    local stamped = model._timestamps and model._timestamps.updated
    if stamped and not core.isDirty(record, stamped) then
        set(record, stamped, now())
        key = mask(record)
    else
        stamped = nil
    end
    local connection = model._via or for_model(model)
    if connection._journal then
        journal.updating(connection._journal, record, stamped)
    end
    local plans = model._plans
    if not plans or plans.connection ~= connection then
        plans = sql.plans(model, connection)
    end
    local plan = plans.update[key]
    if not plan then
        plan = sql.update(model, connection:dialect(), core.dirty(record))
        plans.update[key] = plan
    end
    local conn = connection._core or connection:core()
    if conn:update(plan, record) > 0 then
        remember(model, conn, "update", plan, key)
        return record
    elseif may_be_written(record, model) then
        return record
    elseif not lenient then
        gone(model, ", so nothing was saved")
    end
end

Record._update = update

local model_of, status = core.model, core.status

--- Writes the record: an insert when it is new, else an update of the columns that
--- changed. Nothing changed, no statement.
---
---     user.name = "Ada"; user:save()
---@return eloquent.Record self
---Raises kind "notFound" when the row is gone, and what the database refuses.
function Record:save()
    local model, saved, key, had_row = status(self)
    if saved then
        return update(self, model, key)
    elseif had_row then
        local connection = model._via or for_model(model)
        if connection._journal then
            journal.detaching(connection._journal, self)
        end
        core.detach(self) -- deleted: all that it has is written
        key = mask(self)
    end
    return insert(self, model, key)
end

Record.save = core.verb("save", Record.save, nil, function(record)
    local model = model_of(record)
    if not may_be_written(record, model) then
        gone(model, ", so nothing was saved")
    end
end)

--- Sets several attributes; unknown names raise. Nothing is written yet.
---@param data table<string, any>  column -> value; eloquent.null for NULL
---@return eloquent.Record self
function Record:fill(data)
    local model = model_of(self)
    model:_checkFillable(data)
    return core.fill(self, data)
end

--- `fill` and `save`.
---@param data table<string, any>
---@return eloquent.Record self
function Record:update(data)
    if not exists(self) then
        fail("misuse", model_of(self), "%s is not in the database yet; save it, or use create",
            model_of(self)._name)
    end
    local records = model_of(self)._records
    return records.save(records.fill(self, data))
end

function Record._need_row(record, model, verb)
    need_key(model, verb)
    if not exists(record) then
        fail("misuse", model, "%s is not in the database, so it cannot be %s", model._name, verb)
    end
end

local need_row = Record._need_row

--- Removes the row from the table, softly deleted or not.
---@return boolean deleted  false when there was no such row any more
function Record:forceDelete()
    local model = model_of(self)
    need_row(self, model, "deleted")
    local connection = model._via or for_model(model)
    local plans = sql.plans(model, connection)
    local plan = plans.delete
    if not plan then
        plan = sql.delete(model, connection:dialect())
        plans.delete = plan
    end
    local conn = connection._core or connection:core()
    if connection._journal then
        journal.deleting(connection._journal, self)
    end
    local count = conn:write(plan, self)
    core.setExists(self, false)
    remember(model, conn, "delete", plan)
    return count > 0
end

Record.forceDelete = core.verb("delete", Record.forceDelete, true)

--- Deletes the row. A model with soft deletes keeps it, marked with the time: reads hide
--- it from then on.
---@return boolean deleted  false when there was no such row any more
function Record:delete()
    local model = model_of(self)
    local column = model._soft_deletes
    local records = model._records
    if not column then
        return records.forceDelete(self)
    end
    need_row(self, model, "deleted")
    if records._original(self, model, column) ~= nil then
        return false
    end
    records._set(self, model, column, records._now())
    if not records._update(self, model, mask(self), true) then
        records._set(self, model, column, nil)
        core.setExists(self, false)
        return false
    end
    return true
end

Record.delete = core.verb("delete", Record.delete)

local function soft_deletes(model, verb)
    return model._soft_deletes
        or fail("misuse", model, "%s is for models with soft deletes (softDeletes = true)", verb)
end

--- True when the row was deleted softly.
---@return boolean
function Record:trashed()
    local model = model_of(self)
    return model._records._get(self, model, soft_deletes(model, "trashed")) ~= nil
end

--- Brings a softly deleted row back.
---@return eloquent.Record self
function Record:restore()
    local model = model_of(self)
    local column = soft_deletes(model, "restore")
    need_row(self, model, "restored")
    model._records._set(self, model, column, nil)
    return model._records.save(self)
end

--- The row as it is now, as another record.
function Record._again(record, model)
    need_key(model, "read again")
    local connection = model._via or for_model(model)
    local plans = sql.plans(model, connection)
    plans.find = plans.find or sql.find(model, connection:dialect())
    local key = core.original(record, model._key)
    if key == nil then
        fail("misuse", model, "%s has no key yet; save it first", model._name)
    end
    return connection:core():first(plans.find, key)
end

--- Reads the row again; what was not saved is forgotten.
---@return eloquent.Record self
---Raises kind "notFound" when the row is gone.
function Record:refresh()
    local model = model_of(self)
    local row = model._records._again(self, model)
    if not row then
        gone(model, "")
    end
    local notes = (model._via or for_model(model))._journal
    if notes then
        journal.refreshing(notes, self)
    end
    core.absorb(self, row)
    core.setExists(self, true)
    return self
end

--- The row as it is now, as another record; nil when it is gone.
---@return eloquent.Record|nil
function Record:fresh()
    local model = model_of(self)
    return model._records._again(self, model)
end

--- Whether an attribute (any, when none is named) was written and not saved.
---@param name? string
---@return boolean
function Record:isDirty(name)
    return core.isDirty(self, name)
end

---@param name? string
---@return boolean
function Record:isClean(name)
    return not core.isDirty(self, name)
end

--- The value that the row was read or last saved with; all of them without a name.
---@param name? string
---@return any
function Record:getOriginal(name)
    if name then
        return core.original(self, name)
    end
    local values = {}
    for _, column in ipairs(core.shape(self):columns()) do
        values[column] = core.original(self, column)
    end
    return values
end

--- The attributes that the last save wrote, with their values.
---@return table<string, any>
function Record:getChanges()
    local values = {}
    for _, name in ipairs(core.changes(self)) do
        values[name] = core.get(self, name)
    end
    return values
end

--- The attributes that were written and not saved, with their values.
---@return table<string, any>
function Record:getDirty()
    local values = {}
    for _, name in ipairs(core.dirty(self)) do
        values[name] = core.get(self, name)
    end
    return values
end

--- Whether the last save wrote an attribute (any, when none is named).
---@param name? string
---@return boolean
function Record:wasChanged(name)
    local changed = core.changes(self)
    if not name then
        return #changed > 0
    end
    for _, column in ipairs(changed) do
        if column == name then
            return true
        end
    end
    return false
end

--- True when the record stands for a row of the database.
---@return boolean
function Record:exists()
    return exists(self)
end

--- True when the attribute is NULL; raises when the query did not select it.
---@param name string
---@return boolean
function Record:isNull(name)
    return core.get(self, name) == nil
end

--- The value of the primary key.
---@return any
function Record:getKey()
    local model = model_of(self)
    return model._key and core.get(self, model._key)
end

--- A plain table of the attributes, without those the model hides; NULL is left out.
---@return table<string, any>
function Record:toTable()
    return model_of(self):_visible(core.toTable(self))
end

--- JSON text of the attributes, without those the model hides; NULL is null.
---@return string
function Record:toJson()
    return require("eloquent.core.json").encode(model_of(self):_visible(core.toTable(self, true)))
end

return Record
