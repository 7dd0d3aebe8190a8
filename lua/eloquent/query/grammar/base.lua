-- SPDX-License-Identifier: MIT
-- SQL that all engines share, as ordered lists of parts: an engine's own file replaces the parts in which it
-- differs. A grammar knows no connection and no values; it asks the context for placeholders in the order in
-- which they stand in the text. Conditions are in grammar/conditions.lua, writes in grammar/writes.lua.
local dialects = require("eloquent.query.dialect")
local errors = require("eloquent.core.errors")
local fields = require("eloquent.query.fields")

local concat = table.concat
local misuse = fields.misuse

local base = {
    name = "sql",
    title = "SQL",
    max_params = 65535,
    bulk_rows = 500,
    defaults_in_values = true, -- a row of an insert may say DEFAULT
}

setmetatable(base, dialects.common)

--- A grammar that takes from its dialect and then from `base` what it doesn't define.
function base.extend(own)
    for key, value in pairs(dialects[own.name]) do
        own[key] = value
    end
    return setmetatable(own, { __index = base })
end

-- {====== Names ======

--- A table and its alias.
function base:table_of(name, alias)
    return self:name_of(name) .. (alias and " as " .. self:quote(alias) or "")
end

-- Raises for a path into a column of documents, which looks like the column of another table.
local function check_path(self, q, field)
    local head = field:match("^([^.]+)%.")
    local column = head and head ~= (q.alias or q.table) and q.model and q.model._column[head]
    if not column or column.type ~= "json" then
        return
    end
    for _, join in ipairs(q.joins) do
        if head == (join.alias or join.table) then
            return
        end
    end
    errors.raise({
        kind = "unsupported",
        table = q.table,
        message = ("%s: '%s' is a path into the column '%s', and those are for MongoDB; on %s write SQL with whereRaw, "
            .. "selectRaw or orderByRaw, or keep the value in a column of its own"):format(q.model._name, field, head,
            self.title),
    })
end

--- A column of a query; raw text keeps its values.
function base:column(cx, q, field, first)
    if type(field) ~= "string" then
        return "(" .. cx:raw(field, first) .. ")"
    elseif q.qualify and q.model and q.model._column[field] then
        return self:name_of(q.alias or q.table) .. "." .. self:quote(field)
    end
    check_path(self, q, field)
    local owner = field:match("^(.+)%.%*$") -- of a select list
    return owner and self:name_of(owner) .. ".*" or self:name_of(field)
end

-- }======
-- {====== Parts of a select ======

local function all_columns(self, q)
    if not q.model then
        return "*"
    end
    local list = {}
    local owner = q.qualify and self:name_of(q.alias or q.table) .. "." or ""
    for i, column in ipairs(q.model._columns) do
        list[i] = owner .. self:quote(column.name)
    end
    return concat(list, ", ")
end

--- One item of the select list, without its alias.
function base:selected(cx, q, c)
    if c.kind == "raw" then
        return cx:raw(c.raw, c.first)
    elseif c.kind == "sub" then
        return "(" .. cx:subquery(c) .. ")"
    elseif c.field == "*" then
        return all_columns(self, q)
    elseif q.model and c.field == (q.alias or q.table) .. ".*" then
        local whole = setmetatable({ qualify = true }, { __index = q })
        return all_columns(self, whole)
    end
    return self:column(cx, q, c.field, c.first)
end

function base:select_list(cx, q)
    if not q.columns then
        return all_columns(self, q)
    end
    local list = {}
    for i, c in ipairs(q.columns) do
        list[i] = self:selected(cx, q, c) .. (c.alias and " as " .. self:quote(c.alias) or "")
    end
    return concat(list, ", ")
end

function base:columns(cx, q)
    return (q.distinct and "select distinct " or "select ") .. self:select_list(cx, q)
end

function base:from(_, q)
    return "from " .. self:table_of(q.table, q.alias)
end

local join_words = { join = "inner join", leftJoin = "left join", rightJoin = "right join", crossJoin = "cross join" }

local function joined(self, cx, q, c)
    local text, on = join_words[c.how] .. " ", c
    if c.sub then
        text = text .. "(" .. cx:subquery(c) .. ") as " .. self:quote(c.alias)
        on = { first = c.first + c.sub.count }
    else
        text = text .. self:table_of(c.table, c.alias)
    end
    if c.on then
        text = text .. " on " .. cx:within(on, self.conditions_of, self, cx, q, c.on, c.how)
    end
    return text
end

function base:joins(cx, q)
    local list = {}
    for i, c in ipairs(q.joins) do
        list[i] = joined(self, cx, q, c)
    end
    return concat(list, " ")
end

function base:wheres(cx, q)
    if #q.wheres > 0 then
        local text = self:conditions(cx, q, q.wheres)
        return text ~= "" and "where " .. text or ""
    end
    return ""
end

--- True when a name is an alias of the select list.
function base.is_alias(_, q, name)
    for _, c in ipairs(q.columns or {}) do
        if c.alias == name or (c.kind == "raw" and c.raw.sql:match("[aA][sS]%s+[\"`]?([%w_]+)[\"`]?%s*$") == name) then
            return c
        end
    end
    return nil
end

--- A column of order, group or having, which may be an alias of the select list.
function base:output_column(cx, q, c)
    if c.unchecked and not self:is_alias(q, c.field) then
        fields.unknown(q.model, c.field)
    end
    if #q.unions > 0 and type(c.field) == "string" then
        return self:quote(c.field)
    end
    return self:column(cx, q, c.field, c.first)
end

function base:groups(cx, q)
    local list = {}
    for i, c in ipairs(q.groups) do
        list[i] = self:output_column(cx, q, c)
    end
    return #list > 0 and "group by " .. concat(list, ", ") or ""
end

function base:havings(cx, q)
    if #q.havings > 0 then
        return "having " .. self:conditions(cx, q, q.havings)
    end
    return ""
end

-- A member with an order, a limit or unions of its own is put into a derived table: the one form that all
-- engines read alike.
function base:unions(cx, q)
    local list = {}
    for i, c in ipairs(q.unions) do
        local sub = cx:parts(c.sub)
        local text = cx:subquery(c)
        if #sub.orders > 0 or sub.limit or sub.offset or #sub.unions > 0 then
            text = "select * from (" .. text .. ") as " .. self:quote("u" .. i)
        end
        list[i] = (c.all and "union all " or "union ") .. text
    end
    return concat(list, " ")
end

base.random = "random()"

function base:orders(cx, q)
    local list = {}
    for i, c in ipairs(q.orders) do
        local text
        if c.random then
            text = self.random
        elseif c.raw then
            text = cx:raw(c.raw, c.first)
        elseif c.sub then
            text = "(" .. cx:subquery(c) .. ")"
        else
            text = self:output_column(cx, q, c)
        end
        list[i] = c.direction == "desc" and text .. " desc" or text
    end
    return #list > 0 and "order by " .. concat(list, ", ") or ""
end

--- What stands for "no limit" where OFFSET needs a LIMIT before it.
base.no_limit = nil

function base.limit_value(_, cx, limit)
    return cx:bind(limit.first)
end

function base:limits(cx, q)
    local limit = q.limit and "limit " .. self:limit_value(cx, q.limit) or q.one and "limit 1" or ""
    if not q.offset then
        return limit
    end
    if limit == "" and self.no_limit then
        limit = "limit " .. self.no_limit
    end
    return (limit == "" and "" or limit .. " ") .. "offset " .. cx:bind(q.offset.first)
end

function base:locks(_, q)
    if not q.lock then
        if q.wait then
            misuse("skipLocked and noWait go with lockForUpdate or sharedLock")
        end
        return ""
    end
    local wait = q.wait == "skip" and " skip locked" or q.wait == "nowait" and " nowait" or ""
    return (q.lock == "update" and "for update" or "for share") .. wait
end

base.select_parts = {
    "columns", "from", "joins", "wheres", "groups", "havings", "unions", "orders", "limits", "locks",
}

-- The texts of the list and those of the parts that are there.
local function with_parts(self, cx, q, list, parts)
    for _, part in ipairs(parts) do
        local text = self[part](self, cx, q)
        if text ~= "" then
            list[#list + 1] = text
        end
    end
    return concat(list, " ")
end

--- A whole select.
function base:select(cx, q)
    return with_parts(self, cx, q, {}, self.select_parts)
end

-- }======
-- {====== Reads of one kind ======

--- A select of which one row is read.
function base:first(cx, q)
    q.one = true
    return self:select(cx, q)
end

-- Whether counting rows has to count those of the whole query, as a derived table.
local function is_derived(q)
    return q.limit or q.offset or q.distinct or #q.groups > 0 or #q.havings > 0 or #q.unions > 0
end

local function without_order(q)
    if not q.limit and not q.offset then
        q.orders = {}
    end
    return q
end

-- The query as a table named t; `narrow` when no column of it is needed.
local function derived(self, cx, q, narrow)
    if narrow and not q.columns and not q.distinct and #q.unions == 0 then
        q.columns = { { kind = "raw", raw = { sql = "1", values = {} }, first = 1 } }
    end
    return "from (" .. self:select(cx, without_order(q)) .. ") as " .. self:quote("t")
end

-- The name of a field in the rows of a derived table. A query that chose no columns selects it alone, so that
-- distinct is about its values; a column of a joined table has to be among those chosen, as another may have its name.
local function selected_name(q, field, verb)
    local name = field:match("[^.]+$")
    if not q.columns and #q.unions == 0 then
        q.columns = { { kind = "field", field = field, first = 1 } }
        return name
    end
    local owner = field:sub(1, -#name - 2)
    if owner == "" or owner == (q.alias or q.table) then
        return name
    end
    for _, c in ipairs(q.columns or {}) do
        if c.field == field or c.field == owner .. ".*" then
            return c.alias or name
        end
    end
    return misuse("%s('%s') of a query with distinct, groups, a limit or a union is about what it selects: "
        .. "select('%s') too", verb, field, field)
end

--- One row when the query has rows.
function base:exists(cx, q)
    q.lock, q.wait = nil, nil
    if is_derived(q) then
        return "select 1 as " .. self:quote("found") .. " " .. derived(self, cx, q, true) .. " limit 1"
    end
    q.columns = { { kind = "raw", raw = { sql = "1", values = {} }, alias = "found", first = 1 } }
    q.one = true
    return self:select(cx, without_order(q))
end

--- An aggregate of a column's text; `column` is its definition, where it is known.
function base.aggregate_of(_, fn, text)
    return fn .. "(" .. text .. ")"
end

--- A name for a column of the result that is none of the model's, so that it is read by the engine's type.
function base.free_name(model, name)
    while model and model._column[name] do
        name = name .. "_"
    end
    return name
end

--- The one row of an aggregate, its column named after the model's, so that it is read by that type.
function base:aggregate(cx, q)
    local a = q.action
    q.lock, q.wait = nil, nil
    local own = fields.own(q.root, a.field)
    local column = own and q.model and q.model._column[own]
    local function result(text)
        local list = {}
        for i, fn in ipairs(a.functions) do
            local typed = fn ~= "count" and fn ~= "avg" and own
            local name = typed or self.free_name(q.model, fn == "count" and "total" or fn)
            list[i] = self:aggregate_of(fn, text, column) .. " as " .. self:quote(name)
        end
        return "select " .. concat(list, ", ")
    end
    if is_derived(q) then
        local text = a.field == "*" and "*" or self:quote(selected_name(q, a.field, a.functions[1]))
        return result(text) .. " " .. derived(self, cx, q, a.field == "*")
    end
    local list = { result(a.field == "*" and "*" or self:column(cx, q, a.field, a.first)) }
    return with_parts(self, cx, q, list, { "from", "joins", "wheres" })
end

-- }======

require("eloquent.query.grammar.conditions")(base)
require("eloquent.query.grammar.writes")(base)

return base
