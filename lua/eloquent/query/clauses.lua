-- SPDX-License-Identifier: MIT
-- Verbs for all parts of a query but its conditions: select, join, group, order, limit, union, locks.
local expression = require("eloquent.query.expression")
local fields = require("eloquent.query.fields")
local node = require("eloquent.query.node")
local operators = require("eloquent.query.operators")

local type, math_type, select, next = type, math.type, select, next
local peek, extend, extend2 = node.peek, node.extend, node.extend2
local misuse = fields.misuse
local NONE = {}

return function(Query, builder)
    -- One step that is told by its verb alone, or by a key; the component is made when it is new.
    local function mark(self, verb, key, component)
        self._node = peek(self._node, verb, key) or extend(self._node, verb, key, component, 0)
        return self
    end

    -- {====== select ======

    local function select_field(self, verb, field)
        local at = self._node
        local to = peek(at, verb, field)
        if not to then
            local name, alias = fields.alias(field, "select")
            if name:find("*", 1, true) and not (name == "*" or name:find("^[^*]+%.%*$")) then
                misuse("select: '%s' is no column; SQL goes through selectRaw", field)
            end
            if name ~= "*" and not name:find("%.%*$") then
                fields.check(at.root, name, "select")
            end
            to = extend(at, verb, field, { clause = "columns", kind = "field", field = name, alias = alias }, 0)
        end
        self._node = to
    end

    local function select_raw(self, raw, alias)
        local at, key = self._node, expression.key(raw) .. "\0" .. (alias or "")
        local to = peek(at, "selectRaw", key)
            or extend(at, "selectRaw", key, { clause = "columns", kind = "raw", raw = raw, alias = alias },
                #raw.values)
        return self:_take(to, raw.values)
    end

    -- addSelect{ last_post = Post:select("title"):... }
    local function select_query(self, alias, query)
        fields.identifier(alias, "select")
        if expression.is(query) then
            return select_raw(self, query, alias)
        end
        local sub = self:_subquery(query, "select")
        local to = peek(self._node, "selectSub/" .. alias, sub._node)
        if not to then
            local c = { clause = "columns", kind = "sub", sub = sub._node, alias = alias }
            to = extend(self._node, "selectSub/" .. alias, sub._node, c, sub._node.count)
        end
        return self:_take(to, sub._values)
    end

    local function select_one(self, item)
        if type(item) == "string" then
            return select_field(self, "select", item)
        elseif expression.is(item) then
            return select_raw(self, item)
        elseif type(item) ~= "table" or builder.is(item) then
            return misuse("select expects names of columns, raw SQL or { alias = query }, got a %s", type(item))
        end
        local aliases, names = {}, #item
        for i = 1, names do
            select_one(self, item[i])
        end
        for alias in next, item do
            if type(alias) == "string" then
                aliases[#aliases + 1] = alias
            elseif math.type(alias) ~= "integer" or alias < 1 or alias > names then
                return misuse("select: found the key %s; a nil inside a list makes a hole", tostring(alias))
            end
        end
        table.sort(aliases)
        for _, alias in ipairs(aliases) do
            select_query(self, alias, item[alias])
        end
    end

    --- Chooses the columns of the result, instead of those chosen before. Reading others raises.
    ---
    ---     User:select("id", "name as label")
    ---@param ... string|eloquent.Expression|table
    ---@return eloquent.Query
    function Query:select(...)
        mark(self, "columns", 1, { clause = "columns", kind = "clear" })
        return self:addSelect(...)
    end

    --- Adds columns to those chosen. A table gives subqueries their names.
    ---
    ---     User:select("*"):addSelect{ last = Post:select("title"):whereColumn("user_id", "users.id"):limit(1) }
    ---@return eloquent.Query
    function Query:addSelect(...)
        for i = 1, select("#", ...) do
            select_one(self, (select(i, ...)))
        end
        return self
    end

    --- Adds SQL text to the select list.
    ---
    ---     Post:select("user_id"):selectRaw("count(*) as n"):groupBy("user_id")
    ---@return eloquent.Query
    function Query:selectRaw(sql, bindings)
        return select_raw(self, expression.raw(sql, bindings))
    end

    --- Drops rows that are equal in all columns chosen.
    ---@return eloquent.Query
    function Query:distinct()
        return mark(self, "distinct", 1, { clause = "distinct" })
    end

    -- }======
    -- {====== join ======

    -- The query of a join's conditions, from two columns or from a function.
    local function join_condition(self, verb, name, first, op, second)
        local condition = builder.start(builder.nested(self._node.root, "join"), self:_connection())
        if type(first) == "function" then
            first(condition)
        elseif type(first) == "string" then
            condition:on(first, op, second)
        else
            misuse("%s('%s') expects two columns or a function, such as 'posts.user_id', 'users.id'", verb, name)
        end
        if condition._node == condition._node.root then
            misuse("%s('%s'): the join has no condition; crossJoin makes one without", verb, name)
        end
        return condition
    end

    local function join_table(self, how, name, condition)
        local sub = condition and condition._node
        local to = peek(self._node, how .. "/" .. name, sub or 1)
        if not to then
            local from, alias = fields.alias(name, how)
            local c = { clause = "joins", how = how, table = from, alias = alias, on = sub }
            to = extend(self._node, how .. "/" .. name, sub or 1, c, sub and sub.count or 0)
        end
        return self:_take(to, condition and condition._values or NONE)
    end

    local function define_join(how)
        return function(self, name, first, op, second)
            fields.identifier(name, how)
            return join_table(self, how, name, join_condition(self, how, name, first, op, second))
        end
    end

    --- Joins a table on two columns, or on what a function says.
    ---
    ---     User:join("posts", "posts.user_id", "users.id")
    ---     User:join("posts as p", function(j) j:on("p.user_id", "users.id"):where("p.live", true) end)
    ---@return eloquent.Query
    Query.join = define_join("join")

    ---@return eloquent.Query
    Query.leftJoin = define_join("leftJoin")

    ---@return eloquent.Query
    Query.rightJoin = define_join("rightJoin")

    local function define_join_sub(verb, how)
        return function(self, query, alias, first, op, second)
            fields.identifier(alias, verb)
            local sub = self:_subquery(query, verb)
            local on = join_condition(self, verb, alias, first, op, second)
            local step = verb .. "/" .. alias
            local known = peek(self._node, step, sub._node)
            local to = known and known[on._node]
                or extend2(self._node, step, sub._node, on._node,
                    { clause = "joins", how = how, sub = sub._node, alias = alias, on = on._node },
                    sub._node.count + on._node.count)
            local values = table.move(sub._values, 1, sub._node.count, 1, {})
            return self:_take(to, table.move(on._values, 1, on._node.count, sub._node.count + 1, values))
        end
    end

    --- Joins the rows of a query, as a table named `alias`.
    ---
    ---     local newest = Post:select("user_id"):selectRaw("max(id) as id"):groupBy("user_id")
    ---     User:joinSub(newest, "newest", "newest.user_id", "users.id")
    ---@return eloquent.Query
    Query.joinSub = define_join_sub("joinSub", "join")

    ---@return eloquent.Query
    Query.leftJoinSub = define_join_sub("leftJoinSub", "leftJoin")

    --- Joins every row of a table.
    ---@return eloquent.Query
    function Query:crossJoin(name)
        fields.identifier(name, "crossJoin")
        return join_table(self, "crossJoin", name)
    end

    -- }======
    -- {====== group, order ======

    --- Makes one row of all rows that agree in these columns.
    ---
    ---     Post:select("user_id"):selectRaw("count(*) as n"):groupBy("user_id")
    ---@return eloquent.Query
    function Query:groupBy(...)
        for i = 1, select("#", ...) do
            local field = select(i, ...)
            local raw = expression.is(field)
            local key = raw and expression.key(field) or field
            local to = peek(self._node, raw and "groupByRaw" or "groupBy", key)
            if not to then
                local checked, unchecked = fields.check(self._node.root, field, "groupBy", true)
                to = extend(self._node, raw and "groupByRaw" or "groupBy", key,
                    { clause = "groups", field = checked, unchecked = unchecked }, raw and #field.values or 0)
            end
            self:_take(to, raw and field.values or NONE)
        end
        return self
    end

    local function order_raw(self, raw, direction)
        local at, key = self._node, expression.key(raw)
        local verb = "orderByRaw/" .. direction
        local to = peek(at, verb, key)
            or extend(at, verb, key, { clause = "orders", raw = raw, direction = direction }, #raw.values)
        return self:_take(to, raw.values)
    end

    local function order_query(self, query, direction)
        local sub = self:_subquery(query, "orderBy")
        local verb = "orderBySub/" .. direction
        local to = peek(self._node, verb, sub._node)
            or extend(self._node, verb, sub._node, { clause = "orders", sub = sub._node, direction = direction },
                sub._node.count)
        return self:_take(to, sub._values)
    end

    local function new_order(self, field, direction)
        direction = operators.direction(direction)
        if expression.is(field) then
            return order_raw(self, field, direction)
        elseif builder.is(field) or type(field) == "function" then
            return order_query(self, field, direction)
        end
        local checked, unchecked = fields.check(self._node.root, field, "orderBy", true)
        self._node = peek(self._node, "orderBy", field) and peek(self._node, "orderBy", field)[direction]
            or extend2(self._node, "orderBy", field, direction,
                { clause = "orders", field = checked, unchecked = unchecked, direction = direction }, 0)
        return self
    end

    --- Sorts by a column (or a name of the select list, raw SQL, a subquery); more calls sort equal rows.
    ---
    ---     User:orderBy("name"):orderBy("id", "desc")
    ---@param field string|eloquent.Expression|eloquent.Query
    ---@param direction string|nil  "asc" (default) or "desc"
    ---@return eloquent.Query
    function Query:orderBy(field, direction)
        if direction == nil then
            direction = "asc"
        end
        local to = self._node.orderBy
        to = to and to[field]
        to = to and to[direction]
        if to then
            self._node = to
            return self
        end
        return new_order(self, field, direction)
    end

    ---@return eloquent.Query
    function Query:orderByDesc(field)
        return self:orderBy(field, "desc")
    end

    --- Sorts by SQL text.
    ---@return eloquent.Query
    function Query:orderByRaw(sql, bindings)
        return order_raw(self, expression.raw(sql, bindings), "")
    end

    local function created_column(self)
        local model = self._node.root.model
        return model and model._timestamps and model._timestamps.created or "created_at"
    end

    --- Newest first, by created_at or the column given.
    ---@return eloquent.Query
    function Query:latest(field)
        return self:orderBy(field or created_column(self), "desc")
    end

    --- Oldest first, by created_at or the column given.
    ---@return eloquent.Query
    function Query:oldest(field)
        return self:orderBy(field or created_column(self), "asc")
    end

    --- Forgets the order so far; with a column, sorts by that instead.
    ---@return eloquent.Query
    function Query:reorder(field, direction)
        mark(self, "reorder", 1, { clause = "orders", clear = true })
        return field == nil and self or self:orderBy(field, direction)
    end

    ---@return eloquent.Query
    function Query:inRandomOrder()
        return mark(self, "random", 1, { clause = "orders", random = true })
    end

    -- }======
    -- {====== limit, union, locks ======

    local function count_of(verb, n)
        if math_type(n) ~= "integer" then
            local whole = type(n) == "number" and math.tointeger(n)
            if not whole then
                misuse("%s expects a whole number, got %s", verb,
                    type(n) == "number" and "a number with a fraction" or type(n) == "nil" and "nil"
                        or "a " .. type(n))
            end
            n = whole
        end
        if n < 0 then
            misuse("%s expects a whole number from 0 on, got a negative one", verb)
        end
        return n
    end
    builder.count_of = count_of

    -- Limits up to this are part of a query's shape, for engines whose plans go by them.
    local LITERAL_LIMIT <const> = 1000

    --- At most n rows.
    ---
    ---     User:orderBy("id"):limit(10):offset(20)
    ---@param n integer
    ---@return eloquent.Query
    function Query:limit(n)
        if math_type(n) ~= "integer" or n < 0 then
            n = count_of("limit", n)
        end
        local at = self._node
        local to = at.limit
        local key = n <= LITERAL_LIMIT and n or LITERAL_LIMIT + 1
        to = to and to[key]
            or extend(at, "limit", key, { clause = "limit", literal = n <= LITERAL_LIMIT and n or nil }, 1)
        self._values[to.count] = n
        self._node = to
        return self
    end

    --- Leaves out the first n rows.
    ---@param n integer
    ---@return eloquent.Query
    function Query:offset(n)
        n = count_of("offset", n)
        local at = self._node
        local to = peek(at, "offset", 1) or extend(at, "offset", 1, { clause = "offset" }, 1)
        self._values[to.count] = n
        self._node = to
        return self
    end

    --- The rows of one page, the first is 1.
    ---@param page integer
    ---@param per_page integer
    ---@return eloquent.Query
    function Query:forPage(page, per_page)
        page, per_page = count_of("forPage", page), count_of("forPage", per_page)
        if page < 1 then
            misuse("forPage: pages begin with 1")
        end
        return self:limit(per_page):offset((page - 1) * per_page)
    end

    local function unite(self, verb, query)
        local sub = self:_subquery(query, verb)
        local to = peek(self._node, verb, sub._node)
            or extend(self._node, verb, sub._node, { clause = "unions", all = verb == "unionAll", sub = sub._node },
                sub._node.count)
        return self:_take(to, sub._values)
    end

    --- Adds the rows of another query with the same columns; equal rows come once. Order and limit of this
    --- query hold for all of them.
    ---
    ---     User:select("name"):union(Admin:select("name")):orderBy("name")
    ---@return eloquent.Query
    function Query:union(query)
        return unite(self, "union", query)
    end

    ---@return eloquent.Query
    function Query:unionAll(query)
        return unite(self, "unionAll", query)
    end

    --- Locks the rows read against changes until the transaction ends. Not on SQLite.
    ---@return eloquent.Query
    function Query:lockForUpdate()
        return mark(self, "lock", "update", { clause = "lock", lock = "update" })
    end

    --- Locks the rows read against changes, but lets others read and share them. Not on SQLite.
    ---@return eloquent.Query
    function Query:sharedLock()
        return mark(self, "lock", "share", { clause = "lock", lock = "share" })
    end

    --- With a lock: leaves out rows that others hold.
    ---@return eloquent.Query
    function Query:skipLocked()
        return mark(self, "lock", "skip", { clause = "lock", wait = "skip" })
    end

    --- With a lock: fails at once when others hold a row.
    ---@return eloquent.Query
    function Query:noWait()
        return mark(self, "lock", "nowait", { clause = "lock", wait = "nowait" })
    end

    -- }======
end
