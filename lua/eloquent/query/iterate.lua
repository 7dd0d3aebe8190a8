-- SPDX-License-Identifier: MIT
-- Verbs that go through many rows a piece at a time: each and chunkById by primary key, chunk by position, lazy.
-- For one statement whose rows stream in, see cursor in reads.lua.
local fields = require("eloquent.query.fields")
local node = require("eloquent.query.node")

local misuse = fields.misuse

return function(Query, builder)
    local count_of, key_of, ordered = builder.count_of, builder.key_of, builder.ordered

    local function size_of(verb, size)
        size = count_of(verb, size or 1000)
        if size < 1 then
            misuse("%s expects the number of rows of a piece, at least 1", verb)
        end
        return size
    end

    local function refuse(verb, what, why)
        return misuse("%s goes through rows by primary key, and the query has %s: %s", verb, what, why)
    end

    -- Reads off the components what paging by key has to know, and refuses what would miss or repeat rows.
    local function survey(self, verb, key)
        local found = { direction = "asc", chosen = false, has_key = false }
        local root = self._node.root
        local qualified = (root.alias or root.table) .. "." .. key
        for _, c in ipairs(node.components(self._node)) do
            if c.clause == "orders" then
                if c.clear then
                    found.direction = "asc"
                elseif c.field == key or c.field == qualified or root.model._id_mode and c.field == root.model._key then
                    found.direction = c.direction
                else
                    refuse(verb, "another order", "drop it with reorder(), or use cursor() or chunk()")
                end
            elseif c.clause == "joins" then
                refuse(verb, "a join, which can repeat a key", "use whereExists, cursor() or chunk()")
            elseif c.clause == "groups" or c.clause == "unions" or c.clause == "distinct" then
                refuse(verb, "groupBy, union or distinct", "its rows have no key of their own; use cursor() or chunk()")
            elseif c.clause == "limit" then
                found.limit = self._values[c.first]
            elseif c.clause == "offset" then
                found.offset = self._values[c.first]
            elseif c.clause == "columns" then
                found.chosen = c.kind ~= "clear"
                found.has_key = c.kind ~= "clear" and (found.has_key
                    or c.field == "*" or c.field == qualified and not c.alias
                    or (c.field == key or c.field == root.model._key) and not c.alias)
            end
        end
        if found.chosen and not found.has_key then
            misuse("%s goes through rows by primary key: select('%s') too", verb, key)
        end
        return found
    end

    --- The key to page by. Documents of a model whose key is `id` may have no such field, but all have `_id`.
    function Query:_page_key(verb)
        local key = key_of(self, verb)
        return self._node.root.model._id_mode and "_id" or key
    end

    -- A function that gives the next piece of rows, or nil at the end.
    local function pieces_by_key(self, verb, size)
        size = size_of(verb, size)
        local key = self:_page_key(verb)
        local found = survey(self, verb, key)
        local op = found.direction == "asc" and ">" or "<"
        local base = self:clone():_fence():reorder()
        local left, offset = found.limit, found.offset
        local last, done
        return function()
            local want = left and left < size and left or size
            if done or want == 0 then
                return nil
            end
            local q = base:clone()
            if last ~= nil and q:_connection().driver == "mongo" then
                q:_after(key, op, last)
            elseif last ~= nil then
                q:where(key, op, last)
            end
            q:orderBy(key, found.direction):limit(want)
            if offset then
                q:offset(last == nil and offset or 0)
            end
            local rows = q:get()
            local n = #rows
            done = n < want
            if n == 0 then
                return nil
            end
            last = rows[n][key]
            left = left and left - n
            return rows
        end
    end

    -- The same by position, in the query's own order.
    local function pieces_by_position(self, verb, size)
        size = size_of(verb, size)
        local base = ordered(self)
        local limit, offset, done = nil, 0, false
        for _, c in ipairs(node.components(self._node)) do
            if c.clause == "limit" then
                limit = self._values[c.first]
            elseif c.clause == "offset" then
                offset = self._values[c.first]
            end
        end
        return function()
            local want = limit and limit < size and limit or size
            if done or want == 0 then
                return nil
            end
            local rows = base:clone():limit(want):offset(offset):get()
            local n = #rows
            done = n < want
            offset = offset + n
            limit = limit and limit - n
            return n > 0 and rows or nil
        end
    end

    local after = builder.conditions.form("where", "wheres")

    -- Like where, in the order of keys that may be of several types.
    function Query:_after(key, op, last)
        local fresh = builder.conditions.step(self, after, "after", key, op, { last }, 1)
        if fresh then
            fresh.op = op
        end
    end

    local function rows_of(next_piece)
        local rows, i, n = nil, 0, 0
        return function()
            if i == n then
                rows = next_piece()
                if not rows then
                    return nil
                end
                i, n = 0, #rows
            end
            i = i + 1
            return rows[i]
        end
    end

    --- Goes through all rows, `size` at a time, by primary key: rows may be changed or deleted on the way. An order
    --- other than by key is refused.
    ---
    ---     for user in User:where("active", false):each(1000) do user:delete() end
    ---@param size integer|nil  1000 when left out
    ---@return fun(): eloquent.Record|nil
    function Query:each(size)
        return rows_of(pieces_by_key(self, "each", size))
    end

    local function hand_out(next_piece, fn, verb)
        if type(fn) ~= "function" then
            misuse("%s expects the number of rows of a piece and a function", verb)
        end
        local number = 0
        for rows in next_piece do
            number = number + 1
            if fn(rows, number) == false then
                return false
            end
        end
        return true
    end

    --- Calls `fn(rows, number)` with `size` rows at a time, in the query's order (by primary key when it has none),
    --- by position: changes that move rows between pieces make it miss some. `fn` ends it by returning false.
    ---
    ---     User:orderBy("name"):chunk(500, function(users) print(#users) end)
    ---@param size integer
    ---@param fn fun(rows: eloquent.Collection, number: integer): boolean|nil
    ---@return boolean  false when `fn` ended it
    function Query:chunk(size, fn)
        return hand_out(pieces_by_position(self, "chunk", size), fn, "chunk")
    end

    --- Like chunk, by primary key, so that rows may be changed on the way.
    ---@param size integer
    ---@param fn fun(rows: eloquent.Collection, number: integer): boolean|nil
    ---@return boolean
    function Query:chunkById(size, fn)
        return hand_out(pieces_by_key(self, "chunkById", size), fn, "chunkById")
    end

    -- Whether the query can be gone through by primary key.
    local function has_own_order(self)
        local model = self._node.root.model
        if not model or not model._key then
            return true
        end
        for _, c in ipairs(node.components(self._node)) do
            if c.clause == "orders" and not c.clear or c.clause == "joins" or c.clause == "groups"
                or c.clause == "unions" or c.clause == "distinct" or c.clause == "columns" then
                return true
            end
        end
        return false
    end

    --- A list whose rows are read when they are needed, `size` at a time: by primary key, or by position when the
    --- query has an order of its own. Its map, filter, take and skip read nothing; a loop does.
    ---
    ---     for name in User:lazy():filter(function(u) return u.active end):map("name"):take(10) do print(name) end
    ---@param size integer|nil
    ---@return eloquent.Lazy
    function Query:lazy(size)
        size = size_of("lazy", size)
        return require("eloquent.query.lazy").new(function()
            if has_own_order(self) then
                return rows_of(pieces_by_position(self, "lazy", size))
            end
            return rows_of(pieces_by_key(self, "lazy", size))
        end)
    end
end
