-- SPDX-License-Identifier: MIT
--
-- What records were before a level of a transaction. A rollback makes them that again:
-- they keep the fields that the script has set, and the next save writes these anew. A
-- journal keeps no record alive, so a transaction of many rows holds none.
local core = require("eloquent.core.record")
local null = require("eloquent.core.null")

local journal = {}

---@class eloquent.Journal
---@field serial integer   another one for each journal
---@field outer? eloquent.Journal  that of the level around
---@field list eloquent.Record[]  noted in the record itself: see core.note
---@field entries table<eloquent.Record, integer|string|table>  the others

--- What is noted of a record is the mask of what the script had set, if it was new; or a
--- boolean, if it had not been saved since its row was read: the row tells what it was,
--- and true says that the model has set its timestamp. For others it is a table: the
--- values of the columns written since, as the row had them, by name, and at these places:
local NEW <const> = 1 -- that mask, of a new record that was written again
local STAMP <const> = 2 -- the timestamp column that the model has set
local MADE <const> = 3 -- fields of a new free-form document that the model has made

local serial = 0

--- A journal for a level inside that of `outer`.
---@param outer? eloquent.Journal
---@return eloquent.Journal
function journal.new(outer)
    serial = serial + 1
    return {
        serial = serial,
        outer = outer or nil,
        list = setmetatable({}, { __mode = "v" }),
        entries = setmetatable({}, { __mode = "k" }),
    }
end

local function noted(self, record)
    local entry = self.entries[record]
    if entry == nil then
        return core.noted(record, self.serial)
    end
    return entry
end

-- True when a level around has its note in the record, where there is room for one.
local function is_taken(self, record)
    local outer = self.outer
    while outer do
        if core.noted(record, outer.serial) ~= nil then
            return true
        end
        outer = outer.outer
    end
    return false
end

local function note(self, record, entry)
    if type(entry) == "string" or type(entry) == "table" or is_taken(self, record) then
        self.entries[record] = entry
    else
        core.note(record, self.list, self.serial, entry)
    end
end

-- The entry as a table, for what the short forms can't say.
local function table_of(self, record)
    local entry = noted(self, record)
    if type(entry) ~= "table" then
        entry = { [NEW] = entry }
        self.entries[record] = entry
    end
    return entry
end

-- Takes the columns that the model may have set of a new record out of `names`.
local function drop_made(names, record, model)
    local stamps = model._timestamps or {}
    for _, column in ipairs(model._columns) do
        local name = column.name
        local made = name == stamps.created or name == stamps.updated or column.auto
        if made or names[name] and model._kind == "mongo" and require("eloquent.mongo.rows").has_made(record, column)
        then
            names[name] = nil
        end
    end
end

-- The columns of a new record that the script has set and not saved, as keys of a table.
local function written_names(record)
    local names, model = {}, core.model(record)
    for _, name in ipairs(core.dirty(record)) do
        names[name] = true
    end
    if core.hasSaved(record) then
        local stamps = model._timestamps
        names[stamps and stamps.updated or false] = nil
    else
        drop_made(names, record, model)
    end
    return names
end

--- Before a new record is inserted; `written` is the mask of what the script has set, and
--- `made` names what the model may make inside a free-form document.
function journal.inserting(self, record, written, made)
    local entry = noted(self, record)
    if entry == nil then
        note(self, record, made and { [NEW] = written, [MADE] = made } or written)
    elseif not core.hasSaved(record) then -- the first attempt failed
        entry = table_of(self, record)
        for name in pairs(written_names(record)) do
            entry[name] = entry[name] == nil and null or entry[name]
        end
    end
end

--- Before a record is updated; `stamp` is the timestamp column that the model has set.
function journal.updating(self, record, stamp)
    local entry = noted(self, record)
    if type(entry) == "boolean" or entry == nil and not core.hasSaved(record) then
        note(self, record, entry or stamp ~= nil)
        return
    end
    entry = core.baseline(record, table_of(self, record))
    if stamp then
        entry[STAMP] = stamp
    end
end

--- Before a record's row is deleted.
function journal.deleting(self, record)
    if noted(self, record) ~= nil then
        return
    elseif core.hasSaved(record) then
        self.entries[record] = {}
    else
        note(self, record, false)
    end
end

--- Before a record's row is read again, which tells no longer then what it was.
function journal.refreshing(self, record)
    while self do
        local entry = noted(self, record)
        if type(entry) == "boolean" then
            local values = core.rowValues(record)
            local stamps = core.model(record)._timestamps
            values[STAMP] = entry and stamps and stamps.updated or nil
            core.note(record, self.list, self.serial, nil)
            self.entries[record] = values
        end
        self = self.outer
    end
end

-- The columns of an entry, with their values.
local function columns_of(entry)
    local values = {}
    for name, value in pairs(entry) do
        if type(name) == "string" then
            values[name] = value
        end
    end
    return values
end

-- The values that the record was last known to have in its row.
local function originals_of(record)
    local values = {}
    for _, column in ipairs(core.model(record)._columns) do
        if core.has(record, column.name) then
            local value = core.original(record, column.name)
            values[column.name] = value == nil and null or value
        end
    end
    return values
end

--- Before a deleted record becomes a new one, which forgets its row and writes every
--- column: each level that has an entry has all of them from now on.
function journal.detaching(self, record)
    local values = originals_of(record)
    while self do
        local entry = noted(self, record)
        if type(entry) == "boolean" then
            entry = core.rowValues(record, true)
            core.note(record, self.list, self.serial, nil)
            self.entries[record] = entry
        end
        if type(entry) == "table" then
            for name, value in pairs(values) do
                if entry[name] == nil then
                    entry[name] = value
                end
            end
            values = columns_of(entry)
        end
        self = self.outer
    end
end

-- The columns of a mask, as keys of a table.
local function add_names(names, mask, model)
    for i, column in ipairs(model._columns) do
        local set
        if type(mask) == "string" then
            set = mask:byte(i) == 49
        else
            set = mask >> i - 1 & 1 == 1
        end
        names[column.name] = set or names[column.name]
    end
end

local function undo_insert(record, entry)
    local made = type(entry) == "table" and entry[MADE]
    if made then
        core.model(record)._records._unmake(record, made)
    end
    local model, names, mask = core.model(record), written_names(record), entry
    if type(entry) == "table" then
        mask = entry[NEW]
        for name in pairs(columns_of(entry)) do
            names[name] = name ~= entry[STAMP] and name ~= model._soft_deletes or names[name]
        end
    end
    add_names(names, mask, model)
    core.detach(record, names)
end

-- What was written and not saved, and the columns of `originals`, as they are now.
local function present_values(record, originals)
    local now = {}
    local function keep(name)
        local value = core.get(record, name)
        now[name] = value == nil and null or value
    end
    for _, name in ipairs(core.dirty(record)) do
        keep(name)
    end
    for name in pairs(originals) do
        keep(name)
    end
    return now
end

local function undo_update(record, entry)
    local model = core.model(record)
    local now, stamped
    core.setExists(record, true)
    if type(entry) == "table" then
        local originals = columns_of(entry)
        now, stamped = present_values(record, originals), entry[STAMP]
        core.discard(record)
        core.restore(record, originals)
        core.sync(record)
    else
        now, stamped = core.rewind(record), entry and model._timestamps.updated
    end
    local take_back = model._records._take_back
    if stamped then
        take_back(record, now, stamped)
    end
    if model._soft_deletes then
        take_back(record, now, model._soft_deletes) -- the next save would delete the row
    end
    core.restore(record, now)
end

local function undo(record, entry)
    if type(entry) == "boolean" or type(entry) == "table" and not entry[NEW] then
        undo_update(record, entry)
    else
        undo_insert(record, entry)
    end
end

--- Calls `fn` with each record that is noted, and its entry.
local function each(self, fn)
    for _, record in pairs(self.list) do
        if self.entries[record] == nil then
            local entry = core.noted(record, self.serial)
            if entry ~= nil then
                fn(record, entry)
            end
        end
    end
    for record, entry in pairs(self.entries) do
        fn(record, entry)
    end
end

--- Makes the records what they were; the rows are so already.
---@param self eloquent.Journal
function journal.undo(self)
    each(self, undo)
end

--- Takes over the entries of a level inside, whose work is part of this one's now.
---@param self eloquent.Journal
---@param inner eloquent.Journal
function journal.merge(self, inner)
    each(inner, function(record, later)
        local entry = noted(self, record)
        if entry == nil then
            note(self, record, later)
        elseif type(entry) == "boolean" then
            local stamped = later == true or type(later) == "table" and later[STAMP] ~= nil
            note(self, record, entry or stamped)
        elseif type(later) == "table" then
            entry = table_of(self, record)
            for name, value in pairs(later) do
                if entry[name] == nil and name ~= NEW and name ~= MADE then
                    entry[name] = value
                end
            end
        end
    end)
end

return journal
