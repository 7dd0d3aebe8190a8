-- SPDX-License-Identifier: MIT
-- SQL of MySQL and MariaDB, where it differs from the common one. Both must read every text alike.
local base = require("eloquent.query.grammar.base")
local lists = require("eloquent.query.grammar.lists")

local mysql = base.extend({
    name = "mysql",
    title = "MySQL",
    max_params = 65535,
    no_limit = "18446744073709551615",
    random = "rand()",
    returning = false,
    bulk_rows = 1000, -- of a statement, where no faster way is known
})

-- The shared lock has two spellings, and neither server knows the other's: each skips a comment of the other.
local share = "/*!80001 for share *//*M! lock in share mode */"

function mysql:locks(cx, q)
    return (base.locks(self, cx, q):gsub("^for share", share))
end

-- Like compares by the collation of the column, which may ignore accents, or mind case, or not.
function mysql.like(_, cx, left, first, is_not, case_sensitive)
    local text = "convert(" .. left .. " using utf8mb4)"
    local pattern = cx:bind(first)
    if not case_sensitive then
        text, pattern = "lower(" .. text .. ")", "lower(" .. pattern .. ")"
    end
    return text .. " collate utf8mb4_bin" .. (is_not and " not like " or " like ") .. pattern
end

local parts = { date = "date(", year = "year(", month = "month(", day = "day(" }

function mysql.date_part(_, column, part)
    return parts[part] .. column .. ")"
end

local types = {
    integer = "bigint", boolean = "bigint", uuid = "char(36)", date = "date", time = "time(6)",
    timestamp = "datetime(6)", decimal = "decimal(65,30)",
}

-- A text out of JSON has a collation of its own, which a column of another one refuses to be compared with; a
-- placeholder takes that of the column. So texts stay placeholders as long as a statement holds them.
function mysql.spread(kind)
    return kind == "text" and 60000 or base.spread(kind)
end

-- What the server can't read as the column's type comes out NULL, and one NULL would make "not in" match nothing.
function mysql.in_list(_, cx, left, first, list)
    local column, kind = list.column, list.kind
    local sql_type = types[kind] or "varchar(" .. (column and column.length or 4096) .. ")"
    if kind == "integer" and column and column.unsigned then
        sql_type = "bigint unsigned"
    end
    local text = cx:bind_encoded(first, lists.json(list))
    return left .. (list.is_not and " not" or "") .. " in (select v from json_table(" .. text
        .. ", '$[*]' columns (v " .. sql_type .. " path '$')) as t where v is not null)"
end

-- An average of integers would come rounded to four digits.
function mysql.aggregate_of(_, fn, text, column)
    if fn == "avg" and not (column and column.type == "decimal") then
        return "avg(" .. text .. " + 0e0)"
    end
    return base.aggregate_of(nil, fn, text)
end

-- Older servers take an alias in a delete of several tables only.
function mysql:delete(cx, q)
    local text = base.delete(self, cx, q)
    return q.alias and text:gsub("^delete from", function()
        return "delete " .. self:quote(q.alias) .. " from"
    end, 1) or text
end

function mysql:given(name)
    return "values(" .. self:quote(name) .. ")"
end

-- INSERT IGNORE would also swallow values that don't fit, so rows that are there are written onto themselves, and
-- counted on the way: how many rows such a statement reports depends on the settings of the link.
function mysql:conflict(cx, q, conflict)
    if conflict.sets and #conflict.sets > 0 then
        return "on duplicate key update " .. self.assignments(self, cx, q, conflict.sets)
    end
    local name = self:quote(conflict.same)
    return ("on duplicate key update %s = if(@eloquent_same := @eloquent_same + 1, %s, %s)"):format(name, name, name)
end

--- Runs `write`, which ignores rows that are there, and returns how many of `count` were new.
function mysql.count_new(_, connection, write, count)
    connection:execute("set @eloquent_same = 0")
    write()
    return count - connection:scalar("select @eloquent_same")
end

return mysql
