-- SPDX-License-Identifier: MIT
-- SQL of SQLite, where it differs from the common one.
local errors = require("eloquent.core.errors")
local base = require("eloquent.query.grammar.base")
local lists = require("eloquent.query.grammar.lists")

local sqlite = base.extend({
    name = "sqlite",
    title = "SQLite",
    max_params = 32766,
    no_limit = "-1",
    returning = false,
    bulk_rows = 200, -- of a statement, where no faster way is known
    defaults_in_values = false,
})

function sqlite.locks(_, _, q)
    if q.lock or q.wait then
        return errors.raise({
            kind = "unsupported",
            message = "SQLite has no row locks. A transaction that writes has the whole database to itself from its "
                .. "beginning: put the read into eloquent.transaction and leave out the lock",
        })
    end
    return ""
end

-- GLOB is the only LIKE of SQLite that minds case; its pattern is made from the other.
local function to_glob(pattern)
    return (pattern:gsub("\\?.", function(c)
        if c == "%" then
            return "*"
        elseif c == "_" then
            return "?"
        end
        local plain = #c == 2 and c:sub(2) or c
        return plain:find("[%*%?%[]") and "[" .. plain .. "]" or plain
    end))
end

function sqlite.like(_, cx, left, first, is_not, case_sensitive)
    local word = is_not and " not" or ""
    if case_sensitive then
        return left .. word .. " glob " .. cx:bind_encoded(first, to_glob)
    end
    return left .. word .. " like " .. cx:bind(first) .. " escape '\\'"
end

local parts = { year = "%Y", month = "%m", day = "%d" }

function sqlite.date_part(_, column, part)
    if part == "date" then
        return "date(" .. column .. ")"
    end
    return "cast(strftime('" .. parts[part] .. "', " .. column .. ") as integer)"
end

function sqlite.in_list(_, cx, left, first, list)
    local text = cx:bind_encoded(first, lists.json(list))
    return left .. (list.is_not and " not" or "") .. " in (select value from json_each(" .. text .. "))"
end

-- Decimals are texts here, so that they stay exact; these functions of the driver reckon with them. Where the column
-- isn't known, its values tell what it is.
function sqlite.aggregate_of(_, fn, text, column)
    if fn == "sum" and column and column.type == "decimal" then
        return "decimal_sum(" .. text .. ")"
    elseif fn == "sum" and not column then
        return (("iif(max(typeof(%s)) = 'text', decimal_sum(iif(typeof(%s) = 'text', %s, null)), sum(%s))"):gsub("%%s",
            function()
                return text
            end))
    end
    return base.aggregate_of(nil, fn, text)
end

-- An integer beyond 64 bits would become a float, silently; abs() of the least one raises.
local overflow <const> = "abs(-9223372036854775807 - 1)"

function sqlite.sum_of(_, name, sign, placeholder, column)
    if column and column.type == "decimal" then
        return (sign == "-" and "decimal_sub(" or "decimal_add(") .. name .. ", " .. placeholder .. ")"
    elseif column and column.type:find("[iI]nteger$") then
        return "(select iif(typeof(v) = 'real', " .. overflow .. ", v) from (select " .. name .. " " .. sign
            .. " " .. placeholder .. " as v))"
    elseif column then
        return base.sum_of(nil, name, sign, placeholder)
    end
    local decimal = (sign == "-" and "decimal_sub" or "decimal_add") .. "(a, b)"
    local sum = "a " .. sign .. " b"
    return "(select case when typeof(a) = 'text' then " .. decimal .. " when typeof(a) = 'integer' and typeof(b) = "
        .. "'integer' and typeof(" .. sum .. ") = 'real' then " .. overflow .. " else " .. sum .. " end from (select "
        .. name .. " as a, " .. placeholder .. " as b))"
end

function sqlite:truncate(_, q)
    return "delete from " .. self:name_of(q.table)
end

-- A statement costs no round trip here, so a few sizes that are prepared once serve any number of rows.
local sizes = { 100, 10, 1 }

function sqlite.batch(_, left, room)
    for _, size in ipairs(sizes) do
        if size <= left and size <= room then
            return size
        end
    end
    return 1
end

return sqlite
