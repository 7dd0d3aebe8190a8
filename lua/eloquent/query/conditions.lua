-- SPDX-License-Identifier: MIT
-- where and having: fields compared with values, columns and subqueries, alone or in parentheses. Conditions
-- of a named kind (in, between, like, dates, exists, raw) are in subjects.lua.
local errors = require("eloquent.core.errors")
local expression = require("eloquent.query.expression")
local fields = require("eloquent.query.fields")
local node = require("eloquent.query.node")
local null = require("eloquent.core.null")
local operators = require("eloquent.query.operators")

local type, select, next = type, select, next
local peek, extend, extend2 = node.peek, node.extend, node.extend2
local misuse = fields.misuse
local known = operators.known
local NONE = {}

return function(Query, builder)
    local conditions = {}
    builder.conditions = conditions

    --- The verbs that add conditions, as they are told apart in the tree.
    local function form(name, clause, is_or, is_not)
        return { name = name, clause = clause, is_or = is_or, is_not = is_not }
    end
    conditions.form = form

    --- A component of a kind that belongs to a form.
    local function component(of, kind, field)
        return { clause = of.clause, kind = kind, is_or = of.is_or, is_not = of.is_not, field = field }
    end
    conditions.component = component

    --- Checks a field for a form; having also takes names of the select list.
    local function check(self, of, field)
        return fields.check(self._node.root, field, of.name, of.clause == "havings")
    end
    conditions.check = check

    local function step_of_raw(self, to, field, values)
        local kept, first, before = self._values, to.c.first, #field.values
        for i = 1, before do
            kept[first + i - 1] = field.values[i]
        end
        for i = 1, to.c.width - before do
            kept[first + before + i - 1] = values[i]
        end
        self._node = to
    end

    --- One step of a kind: `rest` tells apart what the field doesn't, `values` has `width` of them. Returns the
    --- component when it is new, for the caller to fill in.
    ---@return table|nil
    function conditions.step(self, of, kind, field, rest, values, width)
        local at, is_raw = self._node, type(field) ~= "string" and expression.is(field)
        local verb = of.name .. (is_raw and "/raw/" or "/") .. kind
        local key = is_raw and expression.key(field) or field
        local children = at[verb]
        children = children and children[key]
        local to, fresh = children and children[rest], nil
        if not to then
            fresh = component(of, kind)
            fresh.field, fresh.unchecked = check(self, of, field)
            to = extend2(at, verb, key, rest, fresh, is_raw and width + #field.values or width)
        end
        if is_raw then
            step_of_raw(self, to, field, values)
        else
            self:_take(to, values)
        end
        return fresh
    end
    local step = conditions.step

    -- where("bio", null)
    local function is_null(self, of, field, op)
        if op ~= "=" and op ~= "!=" then
            return misuse("%s: nothing is '%s' than NULL; eloquent.null goes with = and !=", of.name, op)
        end
        local negated = (op == "!=") ~= (of.is_not or false)
        local fresh = step(self, of, "null", field, negated, NONE, 0)
        if fresh then
            fresh.is_not = negated
        end
        return self
    end

    -- where("total", ">", raw("paid + ?", { 5 }))
    local function against_raw(self, of, field, op, value)
        local fresh = step(self, of, "versus", field, op .. expression.key(value), value.values, #value.values)
        if fresh then
            fresh.kind, fresh.op, fresh.raw = "basic", op, value
        end
        return self
    end

    -- where("id", User:select("id"))
    local function against_query(self, of, field, op, value)
        local sub = self:_subquery(value, of.name)
        local fresh = step(self, of, "sub" .. op, field, sub._node, sub._values, sub._node.count)
        if fresh then
            fresh.kind, fresh.op, fresh.sub = "sub", op, sub._node
        end
        return self
    end

    local function column_type(self, field)
        local own = fields.own(self._node.root, field)
        return own and self._node.root.model._column[own].type
    end
    conditions.column_type = column_type

    local function plain(self, of, field, op, value)
        local fresh = step(self, of, "basic", field, op, { value }, 1)
        if fresh then
            fresh.op = op
        end
        return self
    end

    -- Everything that is not a plain value for a named column.
    local function compare(self, of, field, op, value)
        op = operators.check(op)
        if value == nil then
            return misuse("%s('%s'): the value is nil; for NULL use eloquent.null or whereNull", of.name,
                tostring(field))
        elseif value == null then
            return is_null(self, of, field, op)
        elseif op == "like" or op == "not like" then
            local like = Query.whereLike and conditions.like -- which comes with that verb
            return like(self, of, field, value, op == "not like", false)
        elseif expression.is(value) then
            return against_raw(self, of, field, op, value)
        elseif builder.is(value) or type(value) == "function" then
            return against_query(self, of, field, op, value)
        elseif type(value) == "table" and getmetatable(value) == nil
            and column_type(self, field) ~= "json" and column_type(self, field) ~= "document" then
            return misuse("%s('%s'): a table is no value; whereIn takes a list", of.name, tostring(field))
        end
        return plain(self, of, field, op, value)
    end

    --- Conditions in parentheses: `fn` gets a query for them.
    function conditions.group(self, of, fn)
        local inner = builder.start(builder.nested(self._node.root, "group"), self._via)
        fn(inner)
        local sub = inner._node
        if sub == sub.root then
            return self
        end
        local to = peek(self._node, of.name .. "/group", sub)
        if not to then
            local c = component(of, "group")
            c.sub = sub
            to = extend(self._node, of.name .. "/group", sub, c, sub.count)
        end
        return self:_take(to, inner._values)
    end

    -- { "age", ">", 18 } inside where{ ... }
    local function triple(q, item, verb)
        if type(item) ~= "table" then
            return misuse("%s{}: a list holds conditions such as { 'age', '>', 18 }, got a %s", verb, type(item))
        end
        return q[verb](q, table.unpack(item, 1, #item))
    end

    local function add_table(q, given)
        if next(given) == nil then
            return misuse("where{}: the table has no condition, which would mean every row; { name = nil } is such a "
                .. "table in Lua. For NULL use eloquent.null, for a condition that may be missing :when(value, fn)")
        end
        for i = 1, #given do
            triple(q, given[i], "where")
        end
        local names = {}
        for name in next, given do
            if type(name) == "string" then
                names[#names + 1] = name
            elseif math.type(name) ~= "integer" or name < 1 or name > #given then
                return misuse("where{}: keys are names of columns, got %s", tostring(name))
            end
        end
        table.sort(names)
        for _, name in ipairs(names) do
            q:where(name, given[name])
        end
        return q
    end

    -- where{}: equal to its conditions joined by AND, as one condition for the other forms.
    local function from_table(self, of, given)
        if of.name == "where" then
            return add_table(self, given)
        end
        return conditions.group(self, of, function(q)
            add_table(q, given)
        end)
    end

    -- The rare forms, and the mistakes.
    local function general(self, of, field, count, op, value)
        if count == 0 and type(field) == "function" then
            return conditions.group(self, of, field)
        elseif count == 0 and type(field) == "table" and not expression.is(field) and not builder.is(field) then
            return from_table(self, of, field)
        elseif count == 0 then
            return misuse("%s expects a field and a value, got only %s", of.name,
                type(field) == "string" and "'" .. field .. "'" or "a " .. type(field))
        elseif count == 1 then
            return compare(self, of, field, "=", op)
        elseif count > 2 then
            return misuse("%s takes a field, an operator and a value, got %d arguments", of.name, count + 1)
        end
        return compare(self, of, field, op, value)
    end

    -- The verb of a form. The path of a plain value for a column that is known at this place in the tree makes
    -- no table and calls nothing.
    local function verb_of(of)
        local verb = of.name .. "/basic"
        return function(self, field, ...)
            local op, value = ...
            if value == nil and not known[op] then
                op, value = "=", op
            end
            local kind = type(value)
            if kind == "number" or kind == "string" or kind == "boolean"
                or (kind == "userdata" and value ~= null) then
                local to = self._node[verb]
                to = to and to[field]
                to = to and to[op]
                if to then
                    self._values[to.count] = value
                    self._node = to
                    return self
                end
            end
            local query = general(self, of, field, select("#", ...), ...)
            return query -- no tail call: what is wrong is said of this verb
        end
    end

    --- Adds a condition. A field and a value are compared with "="; eloquent.null means IS NULL.
    ---
    ---     User:where("active", true):where("age", ">=", 18)
    ---     User:where{ active = true, team_id = 3 }
    ---     User:where(function(q) q:where("a", 1):orWhere("b", 2) end)
    ---@param field string|table|function|eloquent.Expression
    ---@param ... any  a value, or an operator and a value; the value may be a query
    ---@return eloquent.Query
    Query.where = verb_of(form("where", "wheres"))

    --- Adds a condition that is joined with OR to those before it.
    ---
    ---     User:where("role", "admin"):orWhere("role", "owner")
    ---@return eloquent.Query
    Query.orWhere = verb_of(form("orWhere", "wheres", true))

    --- Adds a condition that must not be true.
    ---
    ---     User:whereNot(function(q) q:where("a", 1):orWhere("b", 2) end)
    ---@return eloquent.Query
    Query.whereNot = verb_of(form("whereNot", "wheres", nil, true))

    ---@return eloquent.Query
    Query.orWhereNot = verb_of(form("orWhereNot", "wheres", true, true))

    --- Adds a condition on groups; also takes names of the select list.
    ---
    ---     Post:select("user_id"):selectRaw("count(*) as n"):groupBy("user_id"):having("n", ">", 3)
    ---@return eloquent.Query
    Query.having = verb_of(form("having", "havings"))

    ---@return eloquent.Query
    Query.orHaving = verb_of(form("orHaving", "havings", true))

    --- Puts what the user asked for into parentheses, so that conditions added after it hold for all of it.
    function Query:_fence()
        local at = self._node
        if at.c then
            self._node = peek(at, "fence", 1) or extend(at, "fence", 1, { clause = "wheres", kind = "fence" }, 0)
        end
        return self
    end

    --- Raises the error of a value that a verb can't take.
    function conditions.bad_value(verb, field, expected, value)
        return errors.raise({
            kind = "misuse",
            message = ("%s('%s') expects %s, got a %s"):format(verb, tostring(field), expected, type(value)),
        })
    end
end
