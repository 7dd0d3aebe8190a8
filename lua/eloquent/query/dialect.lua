-- SPDX-License-Identifier: MIT
--
-- The words of an engine that every statement needs: how names are quoted and where values
-- go. What a whole query looks like is query/grammar, which takes these from here.

local errors = require("eloquent.core.errors")

---@class eloquent.Dialect
---@field quote_char string
---@field longest_name integer|nil  bytes; longer ones are cut by the server without an error
---@field numbered boolean        placeholders are $1, $2 instead of ?
---@field reports_last_id boolean  an insert tells the key that the engine made
---@field empty_row string        what follows the table in an insert without columns
local Dialect = {
    quote_char = '"',
    numbered = false,
    reports_last_id = true,
    empty_row = "default values",
}
Dialect.__index = Dialect

local function misuse(message, ...)
    errors.raise({ kind = "misuse", message = message:format(...) })
end

--- One part of a name, quoted so that nothing in it is SQL.
function Dialect:quote(name)
    local q = self.quote_char
    if not utf8.len(name) then -- SQLite would take it, and find it by no catalog query
        misuse("a name has to be text in UTF-8, this one is not")
    elseif self.longest_name and #name > self.longest_name then -- it would be another one
        misuse("the name '%s' is cut to %d bytes by the server", name, self.longest_name)
    end
    return q .. name:gsub(q, q .. q) .. q
end

--- A name with its dots: "users"."id".
function Dialect:name_of(name)
    local parts = {}
    for part in name:gmatch("[^.]+") do
        parts[#parts + 1] = self:quote(part)
    end
    if #parts > 3 then
        misuse("the name '%s' has %d parts; schema.table.column is the longest form", name, #parts)
    end
    return table.concat(parts, ".")
end

--- The n-th placeholder of a statement.
function Dialect:placeholder(n)
    return self.numbered and "$" .. n or "?"
end

--- Whether the server that `core` is connected to gives back columns of rows that it has
--- just inserted.
function Dialect.returns(_, core)
    return core:can("returning") or core:product() == "mariadb" and core:version() >= 100500
end

--- What follows "insert into <table>" for a row without any column.
function Dialect:empty_insert()
    return " " .. self.empty_row
end

--- Whether a statement that tells of no row may have written one all the same.
function Dialect.writes_unseen()
    return false
end

local sqlite = setmetatable({}, Dialect)

--- SQLite doesn't count what the triggers of a view write in its place.
function sqlite.writes_unseen(_, connection, name)
    return connection:selectOne("select 1 from pragma_table_list where name = ? and type = 'view'",
        { name:match("[^.]*$") }) ~= nil
end

return {
    common = Dialect,
    sqlite = sqlite,
    pg = setmetatable({ numbered = true, reports_last_id = false, longest_name = 63 }, Dialect),
    mysql = setmetatable({ quote_char = "`", empty_row = "() values ()" }, Dialect),
}
