-- SPDX-License-Identifier: MIT
--
-- What records were before a level of a transaction. A rollback makes them that again:
-- they keep the fields that the script has set, and the next save writes these anew. The
-- entries of a journal go with their records, so a transaction of many rows holds none.
local core = require("eloquent.core.record")
local null = require("eloquent.core.null")

local journal = {}

--- An entry is the mask of what the script had set, for a record that was new; or a table.
---@class eloquent.JournalEntry
---@field new integer|string|nil   that mask, when the record was written again after it
---@field originals table<string, any>  values of the columns written since, as the row had them
---@field stamp string|nil         timestamp column that was set by the model

---@alias eloquent.Journal table<eloquent.Record, integer|string|eloquent.JournalEntry>

---@return eloquent.Journal
function journal.new()
    return setmetatable({}, { __mode = "k" })
end

local function entry_of(self, record)
    local entry = self[record]
    if type(entry) ~= "table" then
        entry = { new = entry, originals = {} }
        self[record] = entry
    end
    return entry
end

local function keep(entry, record, name)
    if entry.originals[name] == nil then
        local value = core.original(record, name)
        entry.originals[name] = value == nil and null or value
    end
end

--- Before a new record is inserted; `written` is the mask of what the script has set.
function journal.inserting(self, record, written)
    if self[record] == nil then
        self[record] = written
    end
end

--- Before a record is updated; `stamp` is the timestamp column that the model has set.
function journal.updating(self, record, stamp)
    local entry = entry_of(self, record)
    entry.stamp = stamp or entry.stamp
    for _, name in ipairs(core.dirty(record)) do
        keep(entry, record, name)
    end
end

--- Before a record's row is deleted.
function journal.deleting(self, record, key)
    keep(entry_of(self, record), record, key)
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
    local names, mask = {}, entry
    if type(entry) == "table" then
        mask = entry.new
        for name in pairs(entry.originals) do
            names[name] = name ~= entry.stamp or nil
        end
    end
    add_names(names, mask, core.model(record))
    core.detach(record, names)
end

local function undo_update(record, entry)
    local now = {}
    local function note(name)
        local value = core.get(record, name)
        now[name] = value == nil and null or value
    end
    for _, name in ipairs(core.dirty(record)) do
        note(name)
    end
    for name in pairs(entry.originals) do
        note(name)
    end
    if entry.stamp then
        now[entry.stamp] = nil
    end
    local deleted_at = core.model(record)._soft_deletes
    if deleted_at then
        now[deleted_at] = nil -- the next save would delete the row
    end
    core.setExists(record, true)
    core.discard(record)
    core.fill(record, entry.originals)
    core.sync(record)
    core.fill(record, now)
end

--- Makes the records what they were; the rows are so already.
---@param self eloquent.Journal
function journal.undo(self)
    for record, entry in pairs(self) do
        if type(entry) ~= "table" or entry.new then
            undo_insert(record, entry)
        else
            undo_update(record, entry)
        end
    end
end

--- Takes over the entries of a level inside, whose work is part of this one's now.
---@param self eloquent.Journal
---@param inner eloquent.Journal
function journal.merge(self, inner)
    for record, later in pairs(inner) do
        if self[record] == nil then
            self[record] = later
        elseif type(later) == "table" then
            local entry = entry_of(self, record)
            entry.stamp = entry.stamp or later.stamp
            for name, value in pairs(later.originals) do
                if entry.originals[name] == nil then
                    entry.originals[name] = value
                end
            end
        end
    end
end

return journal
