-- SPDX-License-Identifier: MIT
-- Terminal verbs that read rows: get, first, find, sole, pluck, exists, pages. Loops over many rows are in
-- iterate.lua, sums and counts in aggregates.lua.
local errors = require("eloquent.core.errors")
local fields = require("eloquent.query.fields")
local node = require("eloquent.query.node")
local null = require("eloquent.core.null")

local unpack = table.unpack
local misuse, superfluous = fields.misuse, fields.superfluous

return function(Query, builder)
    local prepare, count_of = builder.prepare, builder.count_of

    --- The node that ends a query with an action, such as first or exists.
    local function ending(at, verb)
        return node.peek(at, verb, 1)
            or node.extend(at, verb, 1, { clause = "action", verb = verb }, 0)
    end

    local function not_found(self)
        local model = self._node.root.model
        return errors.raise({
            kind = "notFound",
            message = ("%s: no row matches the query"):format(model and model._name or self._node.root.table),
        })
    end

    local function key_of(self, verb)
        local model = self._node.root.model
        if not model then
            return misuse("%s goes by the primary key of a model; on a table write where('id', ...)", verb)
        elseif not model._key then
            return misuse("%s goes by the primary key, and %s has none", verb, model._name)
        end
        return model._key
    end
    builder.key_of = key_of

    --- All rows.
    ---
    ---     for _, user in ipairs(User:where("active", true):get()) do print(user.name) end
    ---@return eloquent.Collection
    function Query:get(extra)
        if extra ~= nil then
            return superfluous("get", extra)
        end
        local q = self:_scopes()
        local core, plan, values = prepare(q._node, q._values, q:_connection())
        return core:select(plan, values)
    end

    --- All rows, like get.
    ---@return eloquent.Collection
    function Query:all(extra)
        if extra ~= nil then
            return superfluous("all", extra)
        end
        return self:get()
    end

    --- The first row, or nil.
    ---
    ---     local newest = User:latest():first()
    ---@return eloquent.Record|nil
    function Query:first(extra)
        if extra ~= nil then
            return superfluous("first", extra, "firstWhere takes a condition")
        end
        local q = self:_scopes()
        local core, plan, values = prepare(ending(q._node, "first"), q._values, q:_connection())
        return core:first(plan, unpack(values))
    end

    --- The first row; raises kind "notFound" when there is none.
    ---@return eloquent.Record
    function Query:firstOrFail(extra)
        if extra ~= nil then
            return superfluous("firstOrFail", extra)
        end
        return self:first() or not_found(self)
    end

    --- The first row for which a condition holds, or nil.
    ---
    ---     local user = User:firstWhere("email", "ada@example.org")
    ---@return eloquent.Record|nil
    function Query:firstWhere(...)
        return self:clone():_fence():where(...):first()
    end

    --- The row with that primary key, or nil.
    ---
    ---     local user = User:where("active", true):find(1)
    ---@return eloquent.Record|nil
    function Query:find(id)
        if id == nil or type(id) == "table" then
            misuse("find expects a key, got %s; findMany takes a list", id == nil and "nil" or "a table")
        elseif id == null then
            return nil
        end
        return self:clone():_fence():where(key_of(self, "find"), id):first()
    end

    --- The rows with these primary keys; keys without a row are left out.
    ---
    ---     local users = User:findMany{ 1, 2, 3 }
    ---@param ids any[]
    ---@return eloquent.Collection
    function Query:findMany(ids)
        return self:clone():_fence():whereIn(key_of(self, "findMany"), ids):get()
    end

    --- The row with that primary key; raises kind "notFound" when there is none.
    ---@return eloquent.Record
    function Query:findOrFail(id)
        local record = self:find(id)
        if record == nil then
            local model = self._node.root.model
            return errors.raise({
                kind = "notFound",
                message = ("%s: no row has that %s"):format(model._name, model._key),
            })
        end
        return record
    end

    --- The only row; raises kind "notFound" for none, and "misuse" for more than one.
    ---
    ---     local owner = User:where("role", "owner"):sole()
    ---@return eloquent.Record
    function Query:sole(extra)
        if extra ~= nil then
            return superfluous("sole", extra)
        end
        local rows = self:clone():limit(2):get()
        if #rows == 0 then
            return not_found(self)
        elseif #rows > 1 then
            return misuse("sole: more than one row matches the query")
        end
        return rows[1]
    end

    -- Each member of a union has the columns that it chose.
    local function has_unions(q)
        local at = q._node
        while at.c and at.c.clause ~= "unions" do
            at = at.up
        end
        return at.c ~= nil
    end

    --- The name that a chosen field has in the rows: its last part, on documents the whole path.
    function Query:_selected_name(name)
        local last = name:match("[^.]+$")
        if last ~= name and self:_connection().driver == "mongo" then
            return require("eloquent.query.grammar.mongo_paths").of(self._node.root, name)
        end
        return last
    end

    -- The query with only these columns, unless it chose its own, and the names to read them by.
    local function narrowed(self, verb, ...)
        local q, names = self:clone(), {}
        for i, field in ipairs({ ... }) do
            local name, alias = fields.alias(field, verb)
            names[i] = alias or self:_selected_name(name)
        end
        local at, chosen = q._node, false
        while at.c and not chosen do
            chosen = at.c.clause == "columns"
            at = at.up
        end
        if not chosen or not has_unions(q) and q._node.root.model and q._node.root.model._column[names[1]] then
            q:select({ ... })
        end
        return q, names[1], names[2]
    end

    --- One column of the first row; nil when it is NULL or there is no row.
    ---
    ---     local email = User:where("id", 1):value("email")
    function Query:value(field)
        local q, name = narrowed(self, "value", field)
        local row = q:first()
        return row and row[name]
    end

    local function plucked(rows, name, key)
        local out = {}
        for i = 1, #rows do
            local row = rows[i]
            local value = row[name]
            if value == nil then
                value = null
            end
            if not key then
                out[i] = value
            elseif row[key] ~= nil then
                out[row[key]] = value
            end
        end
        return out
    end

    --- One column as a list, or as a table by another column. NULL is eloquent.null there, so that the list has
    --- no holes.
    ---
    ---     local names = User:orderBy("name"):pluck("name")
    ---     local by_id = User:pluck("name", "id")
    ---@param field string
    ---@param key string|nil
    ---@return table
    function Query:pluck(field, key)
        local q, name, key_name = narrowed(self, "pluck", field, key)
        local out = plucked(q:get(), name, key_name)
        return key and out or require("eloquent.collection").from(out)
    end

    --- Whether the query has a row.
    ---@return boolean
    function Query:exists(extra)
        if extra ~= nil then
            return superfluous("exists", extra)
        end
        local q = self:_scopes()
        local core, plan, values = prepare(ending(q._node, "exists"), q._values, q:_connection())
        return core:scalar(plan, values) ~= nil
    end

    ---@return boolean
    function Query:doesntExist(extra)
        return not self:exists(extra)
    end

    --- The rows of a query one by one, as the server sends them, in constant memory. Other statements work beside
    --- it; leaving the loop closes it.
    ---
    ---     for visit in Visit:orderBy("id"):cursor() do print(visit.url) end
    function Query:cursor(extra)
        if extra ~= nil then
            return superfluous("cursor", extra)
        end
        local q = self:_scopes()
        local at = node.peek(q._node, "stream", 1)
            or node.extend(q._node, "stream", 1, { clause = "action", verb = "select", stream = true }, 0)
        local core, plan, values = prepare(at, q._values, q:_connection())
        return core:cursor(plan, values)
    end

    --- How the server would run the query, as rows of its own form.
    ---
    ---     for _, row in ipairs(User:where("id", 1):explain()) do print(row) end
    ---@return eloquent.Collection
    function Query:explain()
        local sql, values = self:toSql()
        local connection = self:_connection()
        local grammar = connection:query_grammar()
        local word = connection.driver == "sqlite" and "explain query plan " or "explain "
        local params = {}
        for i = 1, #values do
            params[i] = false
        end
        local text = grammar.explain and grammar:explain(sql) or word .. sql
        local plan = require("eloquent.core.plan").new(text, nil, params, { once = true })
        return connection:core():select(plan, values)
    end

    -- {====== Pages ======

    -- Pages of rows in no order would repeat and miss some.
    local function ordered(self)
        local q, at = self:clone(), self._node
        while at.c do
            if at.c.clause == "orders" and not at.c.clear then
                return q
            end
            at = at.up
        end
        local model = q._node.root.model
        if model and model._key then
            return q:orderBy(model._key)
        end
        return misuse("rows in no order have no pages: add orderBy")
    end
    builder.ordered = ordered

    local function page_arguments(verb, per_page, page)
        per_page, page = count_of(verb, per_page or 15), count_of(verb, page or 1)
        if per_page < 1 or page < 1 then
            misuse("%s: pages begin with 1 and hold at least one row", verb)
        end
        return per_page, page
    end

    local function page_of(rows, per_page, page)
        local first = #rows > 0 and (page - 1) * per_page + 1 or nil
        return {
            data = rows, perPage = per_page, currentPage = page,
            from = first, to = first and first + #rows - 1,
        }
    end

    --- One page and the count of all rows: { data, total, perPage, currentPage, lastPage, from, to, hasMore }.
    --- Without an order, rows are sorted by the primary key.
    ---
    ---     local page = User:orderBy("name"):paginate(20, 3)
    ---@param per_page integer|nil  15 when left out
    ---@param page integer|nil      the first is 1
    ---@return table
    function Query:paginate(per_page, page)
        per_page, page = page_arguments("paginate", per_page, page)
        local total = self:count()
        local result = page_of(ordered(self):forPage(page, per_page):get(), per_page, page)
        result.total = total
        result.lastPage = math.max(1, (total + per_page - 1) // per_page)
        result.hasMore = page < result.lastPage
        return result
    end

    --- One page without counting all rows: { data, perPage, currentPage, from, to, hasMore }.
    ---@param per_page integer|nil
    ---@param page integer|nil
    ---@return table
    function Query:simplePaginate(per_page, page)
        per_page, page = page_arguments("simplePaginate", per_page, page)
        local q = ordered(self):limit(per_page + 1):offset((page - 1) * per_page)
        local rows = q:get()
        local more = #rows > per_page
        if more then
            rows = require("eloquent.collection").take(rows, per_page)
        end
        local result = page_of(rows, per_page, page)
        result.hasMore = more
        return result
    end

    -- }======
end
