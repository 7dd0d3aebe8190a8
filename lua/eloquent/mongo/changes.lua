-- SPDX-License-Identifier: MIT
--
-- What differs between a document as it was read and as it is now, by the paths of the
-- fields that differ, so that a save writes these and nothing else. A list is one value: the
-- place of an item may be another's by now, when somebody else has taken one out.
local document = require("eloquent.core.document")
local null = require("eloquent.core.null")
local trees = require("eloquent.support.later")("eloquent.mongo.trees")

local changes = {}

---@class eloquent.Changes
---@field set table[]   { path, value }
---@field unset string[]

-- Paths have dots between names, and operators begin with a dollar. A name that no document can have is refused
-- with the document that it is in.
local function is_plain(name)
    return name ~= "" and name:byte() ~= 36 and not name:find("[.\0]") and utf8.len(name) ~= nil
end

local compare

-- The fields of documents; false when one that differs has no path.
local function compare_documents(old, new, prefix, found)
    for _, name in ipairs(document.keys(new)) do
        if not compare(old[name], new[name], prefix, name, found) then
            return false
        end
    end
    for _, name in ipairs(document.keys(old)) do
        if new[name] == nil then
            if not is_plain(name) then
                return false
            end
            found.unset[#found.unset + 1] = prefix .. name
        end
    end
    return true
end

-- Notes what differs in one field; false when that has no path of its own.
function compare(old, new, prefix, name, found)
    if type(old) == "table" and type(new) == "table" and document.kind(new) == "document"
        and document.kind(old) == "document" then
        local inner = { set = {}, unset = {} }
        if compare_documents(old, new, prefix .. name .. ".", inner) then
            if not is_plain(name) and (#inner.set > 0 or #inner.unset > 0) then
                return false
            end
            table.move(inner.set, 1, #inner.set, #found.set + 1, found.set)
            table.move(inner.unset, 1, #inner.unset, #found.unset + 1, found.unset)
            return true
        end
    elseif trees.same(old, new) then
        return true
    end
    if not is_plain(name) then
        return false
    end
    found.set[#found.set + 1] = { prefix .. name, new }
    return true
end

--- Adds what differs between two values of a field.
---@param found eloquent.Changes
---@param name string
---@param old any
---@param new any
function changes.field(found, name, old, new)
    if old == nil then
        old = null
    end
    compare(old, new == nil and null or new, "", name, found)
end

--- What differs between two whole documents; nil when only writing all of it can say so.
---@param old table
---@param new table
---@return eloquent.Changes|nil
function changes.whole(old, new)
    local found = { set = {}, unset = {} }
    return compare_documents(old, new, "", found) and found or nil
end

return changes
