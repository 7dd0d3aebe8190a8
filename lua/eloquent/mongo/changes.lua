-- SPDX-License-Identifier: MIT
--
-- What differs between a document as it was read and as it is now, by the paths of the
-- fields that differ, so that a save writes these and nothing else.
local document = require("eloquent.core.document")
local null = require("eloquent.core.null")

local changes = {}

---@class eloquent.Changes
---@field set table[]   { path, value }
---@field unset string[]

-- Paths have dots between names, and operators begin with a dollar.
local function is_plain(name)
    return name ~= "" and name:byte() ~= 36 and not name:find(".", 1, true)
end

local compare

-- NaN is itself, and -0.0 another value than 0.0.
local function same_values(old, new)
    if old ~= new then
        return old ~= old and new ~= new
    end
    return math.type(old) == math.type(new) and (old ~= 0 or math.type(old) == "integer" or 1 / old == 1 / new)
end

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

-- Lists of one length: the documents in them one by one; false when other items differ.
local function compare_lists(old, new, prefix, found)
    if #old ~= #new then
        return false
    end
    for i = 1, #new do
        local a, b = old[i], new[i]
        local nested = type(a) == "table" and type(b) == "table"
        if nested and not compare(a, b, prefix, tostring(i - 1), found) or not nested and not same_values(a, b) then
            return false
        end
    end
    return true
end

-- Notes what differs in one field; false when that has no path of its own.
function compare(old, new, prefix, name, found)
    if type(old) == "table" and type(new) == "table" then
        local kind = document.kind(new)
        if kind and kind == document.kind(old) then
            local inner = { set = {}, unset = {} }
            local walk = kind == "list" and compare_lists or compare_documents
            if walk(old, new, prefix .. name .. ".", inner) then
                if not is_plain(name) and (#inner.set > 0 or #inner.unset > 0) then
                    return false
                end
                table.move(inner.set, 1, #inner.set, #found.set + 1, found.set)
                table.move(inner.unset, 1, #inner.unset, #found.unset + 1, found.unset)
                return true
            end
        end
    elseif same_values(old, new) then
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
