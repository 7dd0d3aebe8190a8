-- SPDX-License-Identifier: MIT
-- SQL of PostgreSQL, where it differs from the common one.
local base = require("eloquent.query.grammar.base")
local lists = require("eloquent.query.grammar.lists")

local pg = base.extend({
    name = "pg",
    title = "PostgreSQL",
    max_params = 65535,
    returning = true,
})

-- The server guesses that a limit which it doesn't see lets a tenth of the rows through; it then plans a prepared
-- statement anew each time, which takes longer than to run it.
function pg.limit_value(_, cx, limit)
    return limit.literal and tostring(limit.literal) or cx:bind(limit.first)
end

-- HAVING knows no names of the select list here: the expression itself is repeated.
function pg:having_column(cx, q, c)
    local alias = not (q.model and q.model._column[c.field]) and self:is_alias(q, c.field)
    if not alias then
        return self:output_column(cx, q, c)
    elseif alias.kind ~= "raw" then
        return self:selected(cx, q, alias)
    end
    local sql = alias.raw.sql:gsub("%s+[aA][sS]%s+[\"]?[%w_]+[\"]?%s*$", "")
    return cx:raw({ sql = sql, values = alias.raw.values, names = alias.raw.names }, alias.first)
end

function pg.like(_, cx, left, first, is_not, case_sensitive)
    return left .. (is_not and " not" or "") .. (case_sensitive and " like " or " ilike ") .. cx:bind(first)
end

local parts = { year = "year", month = "month", day = "day" }

function pg.date_part(_, column, part)
    if part == "date" then
        return "cast(" .. column .. " as date)"
    end
    return "cast(extract(" .. parts[part] .. " from " .. column .. ") as bigint)"
end

function pg.date_value(_, text, part)
    return "cast(" .. text .. " as " .. (part == "date" and "date)" or "bigint)")
end

local arrays = {
    integer = "bigint[]", text = "text[]", uuid = "uuid[]", decimal = "numeric[]", boolean = "boolean[]",
    date = "date[]", time = "time[]", timestamp = "timestamp[]",
}

function pg.in_list(_, cx, left, first, list)
    local column, kind = list.column, list.kind
    local array = column and column.useTz and kind == "timestamp" and "timestamptz[]" or arrays[kind]
    local text = cx:bind_encoded(first, lists.array(list))
    return left .. (list.is_not and " <> all(cast(" or " = any(cast(") .. text .. " as " .. array .. "))"
end

-- uuid and boolean have no min and max; their texts sort alike, and false comes before true.
function pg.aggregate_of(_, fn, text, column)
    local kind = column and (fn == "min" or fn == "max") and column.type
    if kind == "uuid" then
        return "cast(" .. fn .. "(cast(" .. text .. " as text) collate \"C\") as uuid)"
    elseif kind == "boolean" then
        return (fn == "min" and "bool_and(" or "bool_or(") .. text .. ")"
    end
    return base.aggregate_of(nil, fn, text)
end

function pg:truncate(_, q)
    return "truncate table " .. self:name_of(q.table) .. " restart identity"
end

return pg
