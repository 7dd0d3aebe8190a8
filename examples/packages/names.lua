-- SPDX-License-Identifier: MIT
--
-- Rows that packages share (sections, maintainers, tags): finds the id of one by what is
-- unique in it, and inserts it when it is new. All ids are kept in memory; even the whole
-- of Debian has only a few thousand.

---@class Names
---@field added integer  rows inserted
local Names = {}
Names.__index = Names

--- Reads what the table has.
---@param Model table
---@param unique string[]  the columns of its unique index
---@return Names
function Names.new(Model, unique)
    local self = setmetatable({ Model = Model, unique = unique, ids = {}, added = 0 }, Names)
    for row in Model:cursor() do
        self.ids[self:key_of(row)] = row.id
    end
    return self
end

-- The unique columns as one text. A value has no newline: it stood in one line, or is one
-- word.
function Names:key_of(row)
    local values = {}
    for i, name in ipairs(self.unique) do
        values[i] = row[name]
    end
    return table.concat(values, "\n")
end

--- The id of a row, which is inserted when the table doesn't have it.
---@param row table  with the unique columns
---@return integer
function Names:id(row)
    local key = self:key_of(row)
    local id = self.ids[key]
    if not id then
        id = self.Model:insertGetId(row)
        self.ids[key] = id
        self.added = self.added + 1
    end
    return id
end

return Names
