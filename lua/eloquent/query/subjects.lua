-- SPDX-License-Identifier: MIT
-- Conditions of a named kind: in, null, between, columns, like, parts of dates, exists and raw SQL, each with
-- its or- and not- forms. Plain comparisons are in conditions.lua.
local expression = require("eloquent.query.expression")
local fields = require("eloquent.query.fields")
local node = require("eloquent.query.node")
local null = require("eloquent.core.null")
local operators = require("eloquent.query.operators")

local type, math_type = type, math.type
local peek, extend = node.peek, node.extend
local misuse = fields.misuse

-- Lists of up to so many values are placeholders on every engine; see `spread` of the grammars for longer ones.
local FEW = 1000
local NONE = {}

-- The kind of a list's values by their Lua types, for columns that are not known.
local function value_kind(value)
    local kind = type(value)
    if kind == "number" then
        return math_type(value)
    elseif kind == "string" then
        return utf8.len(value) and "text" or "binary"
    elseif kind == "boolean" then
        return kind
    elseif kind == "userdata" then
        local meta = getmetatable(value)
        local name = type(meta) == "string" and meta or type(meta) == "table" and meta.__name or ""
        return name:lower():find("decimal") and "decimal" or name:lower():find("datetime") and "timestamp" or nil
    end
    return nil
end

local list_kinds = {
    increments = "integer", bigIncrements = "integer", integer = "integer", bigInteger = "integer",
    smallInteger = "integer", string = "text", text = "text", ulid = "text", enum = "text", uuid = "uuid",
    decimal = "decimal", boolean = "boolean", date = "date", time = "time", timestamp = "timestamp",
    objectId = "objectId",
}

return function(Query, builder)
    local conditions = builder.conditions
    local form, component, step = conditions.form, conditions.component, conditions.step

    -- Defines name, orName and, with a `negative`, its not- forms, by verb(self, of, ...).
    local function define(name, verb, negative)
        local capital = name:sub(1, 1):upper() .. name:sub(2)
        local forms = { { name }, { "or" .. capital, true } }
        if negative then
            forms[3] = { negative, nil, true }
            forms[4] = { "or" .. negative:sub(1, 1):upper() .. negative:sub(2), true, true }
        end
        for _, each in ipairs(forms) do
            local of = form(each[1], "wheres", each[2], each[3])
            Query[each[1]] = function(self, ...)
                local query = verb(self, of, ...)
                return query -- no tail call: what is wrong is said of this verb
            end
        end
    end

    -- The list without its NULLs, and whether it had some.
    local function without_null(list, verb)
        local values, n, has_null = {}, 0, false
        for i = 1, expression.length(list, verb) do
            local value = list[i]
            if value == null then
                has_null = true
            else
                n = n + 1
                values[n] = value
            end
        end
        return values, n, has_null
    end

    -- How a long list travels: by the column's type, else by the type that all of its values have. nil: as
    -- single placeholders.
    local function list_kind(self, field, values, n)
        local column_type = conditions.column_type(self, field)
        if column_type then
            return list_kinds[column_type]
        end
        local kind = value_kind(values[1])
        for i = 2, n do
            if value_kind(values[i]) ~= kind then
                return nil
            end
        end
        return kind ~= "float" and kind ~= "binary" and kind or nil
    end

    local function in_query(self, of, field, list)
        local sub = self:_subquery(list, of.name)
        local fresh = step(self, of, "in_sub", field, sub._node, sub._values, sub._node.count)
        if fresh then
            fresh.sub = sub._node
        end
        return self
    end

    local function where_in(self, of, field, list)
        if builder.is(list) or type(list) == "function" then
            return in_query(self, of, field, list)
        elseif type(list) ~= "table" then
            return conditions.bad_value(of.name, field, "a list or a query", list)
        end
        local values, n, has_null = without_null(list, of.name)
        local kind = n > FEW and list_kind(self, field, values, n)
        if kind and n > self:_connection():query_grammar().spread(kind) then
            local fresh = step(self, of, "in_list", field, kind .. (has_null and "+" or ""), { values }, 1)
            if fresh then
                fresh.list, fresh.has_null = kind, has_null
            end
            return self
        end
        local fresh = step(self, of, "in", field, has_null and -n - 1 or n, values, n)
        if fresh then
            fresh.n, fresh.has_null = n, has_null
        end
        return self
    end

    --- The field is one of a list (any length; an empty one matches nothing) or of a subquery's values.
    --- eloquent.null in the list matches NULL.
    ---
    ---     User:whereIn("id", { 1, 2, 3 })
    ---     User:whereIn("id", Post:select("user_id"))
    define("whereIn", where_in, "whereNotIn")

    --- The field is NULL.
    ---
    ---     User:whereNull("email_verified_at")
    define("whereNull", function(self, of, field)
        step(self, of, "null", field, 1, NONE, 0)
        return self
    end, "whereNotNull")

    --- The field lies between two values, both included.
    ---
    ---     User:whereBetween("age", { 18, 30 })
    define("whereBetween", function(self, of, field, range)
        if type(range) ~= "table" or getmetatable(range) ~= nil or #range ~= 2 then
            return conditions.bad_value(of.name, field, "a list of two values, such as { 1, 10 }", range)
        elseif range[1] == null or range[2] == null then
            return misuse("%s: NULL is no end of a range", of.name)
        end
        step(self, of, "between", field, 1, range, 2)
        return self
    end, "whereNotBetween")

    local function column_step(self, of, first, op, second)
        op = operators.check(op)
        local root = self._node.root
        if type(second) ~= "string" and not expression.is(second) then
            return misuse("%s expects the name of a second column, got a %s", of.name, type(second))
        end
        local right = expression.is(second) and expression.key(second) or second
        local values = expression.is(second) and second.values or NONE
        local fresh = step(self, of, "column", first, op .. "\0" .. right, values, #values)
        if fresh then
            fresh.op, fresh.other = op, fields.check(root, second, of.name)
        end
        return self
    end

    local function where_column(self, of, first, op, second)
        if second == nil then
            op, second = "=", op
        end
        return column_step(self, of, first, op, second)
    end

    --- Two columns compared with each other.
    ---
    ---     User:whereColumn("updated_at", ">", "created_at")
    define("whereColumn", where_column)

    local on, or_on = form("on", "wheres"), form("orOn", "wheres", true)

    --- The condition of a join; only inside join(table, function(join) ... end).
    ---
    ---     User:join("posts", function(j) j:on("posts.user_id", "users.id"):where("posts.live", true) end)
    ---@return eloquent.Query
    function Query:on(first, op, second)
        if self._node.root.nested ~= "join" then
            return misuse("on belongs to a join; for a condition on two columns use whereColumn")
        end
        return where_column(self, on, first, op, second)
    end

    ---@return eloquent.Query
    function Query:orOn(first, op, second)
        if self._node.root.nested ~= "join" then
            return misuse("orOn belongs to a join; for a condition on two columns use orWhereColumn")
        end
        return where_column(self, or_on, first, op, second)
    end

    function conditions.like(self, of, field, pattern, negated, case_sensitive)
        if type(pattern) ~= "string" then
            return conditions.bad_value(of.name, field, "a pattern", pattern)
        elseif #pattern:match("\\*$") % 2 == 1 then
            return misuse("%s: the pattern ends with a lone backslash; write \\\\ for the character itself", of.name)
        end
        negated = negated ~= (of.is_not or false)
        local rest = (negated and "not" or "") .. (case_sensitive and " exact" or "")
        local fresh = step(self, of, "like", field, rest, { pattern }, 1)
        if fresh then
            fresh.is_not, fresh.case_sensitive = negated, case_sensitive
        end
        return self
    end

    --- The field matches a pattern: % is any text, _ one character, a backslash takes away their meaning.
    --- Case is ignored unless `caseSensitive`; accents count. The same on every engine (SQLite knows case
    --- only of ASCII letters).
    ---
    ---     User:whereLike("name", "ann%")
    ---     Package:whereLike("name", "lib\\_%", { caseSensitive = true })
    define("whereLike", function(self, of, field, pattern, options)
        local option = type(options) == "table" and next(options) or nil
        if options ~= nil and type(options) ~= "table" or option ~= nil and option ~= "caseSensitive" then
            return misuse("%s takes the option caseSensitive and no other: %s('name', 'a%%', "
                .. "{ caseSensitive = true })", of.name, of.name)
        end
        return conditions.like(self, of, field, pattern, false, options and options.caseSensitive or false)
    end, "whereNotLike")

    local function date_text(of, field, value)
        if type(value) == "userdata" and value ~= null and getmetatable(value) then
            return value:format("%Y-%m-%d")
        elseif type(value) == "string" and value:find("^%d%d%d%d%-%d%d%-%d%d$") then
            return value
        end
        return conditions.bad_value(of.name, field, "a date as 'YYYY-MM-DD' or a datetime", value)
    end

    local function whole_number(of, field, value)
        if math_type(value) ~= "integer" then
            return conditions.bad_value(of.name, field, "a whole number", value)
        end
        return value
    end

    local function define_date(name, part, read)
        define(name, function(self, of, field, op, value)
            if value == nil then
                op, value = "=", op
            end
            op = operators.check(op)
            if op == "like" or op == "not like" then
                return misuse("%s compares numbers and dates; 'like' is for text", of.name)
            end
            local fresh = step(self, of, "date", field, op, { read(of, field, value) }, 1)
            if fresh then
                fresh.part, fresh.op = part, op
            end
            return self
        end)
    end

    --- The date of a timestamp (in UTC), without its time.
    ---
    ---     Order:whereDate("created_at", ">=", "2024-02-29")
    define_date("whereDate", "date", date_text)

    --- Year, month or day of a date or timestamp (in UTC), as a whole number.
    ---
    ---     Order:whereYear("created_at", 2024):whereMonth("created_at", 2)
    define_date("whereYear", "year", whole_number)
    define_date("whereMonth", "month", whole_number)
    define_date("whereDay", "day", whole_number)

    --- A subquery has at least one row. It may name columns of this query, as table.column.
    ---
    ---     User:whereExists(Post:whereColumn("posts.user_id", "users.id"))
    ---     User:whereExists(function(q) q:from("posts"):whereColumn("posts.user_id", "users.id") end)
    define("whereExists", function(self, of, query)
        local sub = self:_subquery(query, of.name)
        local verb = of.name
        local to = peek(self._node, verb, sub._node)
        if not to then
            local c = component(of, "exists")
            c.sub = sub._node
            to = extend(self._node, verb, sub._node, c, sub._node.count)
        end
        return self:_take(to, sub._values)
    end, "whereNotExists")

    local function raw_step(self, of, sql, bindings)
        local raw = expression.is(sql) and sql or expression.raw(sql, bindings)
        local key = expression.key(raw)
        local to = peek(self._node, of.name, key)
        if not to then
            local c = component(of, "raw")
            c.raw = raw
            to = extend(self._node, of.name, key, c, #raw.values)
        end
        return self:_take(to, raw.values)
    end

    --- A condition as SQL text, with the values of its `?` or `:name` placeholders.
    ---
    ---     User:whereRaw("length(name) > ?", { 10 })
    ---     User:whereRaw("born between :low and :high", { low = 1990, high = 1999 })
    define("whereRaw", raw_step)

    local having_raw, or_having_raw = form("havingRaw", "havings"), form("orHavingRaw", "havings", true)

    --- A condition on groups as SQL text.
    ---@return eloquent.Query
    function Query:havingRaw(sql, bindings)
        return raw_step(self, having_raw, sql, bindings)
    end

    ---@return eloquent.Query
    function Query:orHavingRaw(sql, bindings)
        return raw_step(self, or_having_raw, sql, bindings)
    end
end
