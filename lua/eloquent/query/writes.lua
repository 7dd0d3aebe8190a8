-- SPDX-License-Identifier: MIT
-- Terminal verbs that change or remove the rows a query matches: update, increment, delete, truncate. They go
-- past records, so no events run. New rows are in inserts.lua.
local builder_sets = require("eloquent.query.sets")
local fields = require("eloquent.query.fields")
local node = require("eloquent.query.node")

local misuse = fields.misuse

return function(Query, builder)
    local prepare = builder.prepare

    local function execute(q, at, values)
        local connection = q:_connection()
        local core, plan, args = prepare(at, values, connection)
        if at.c.may_stop then -- at one of the documents
            return require("eloquent.mongo.rows").atomically(connection, function()
                return (core:execute(plan, args))
            end, true)
        end
        return (core:execute(plan, args))
    end

    -- Runs an update whose values come after those of the conditions.
    local function run_update(self, sets)
        local q = self:_scopes():clone()
        local at = q._node
        local to = node.peek(at, "update", sets.key)
        if not to then
            local c = { clause = "action", verb = "update", sets = sets:placed(at.count + 1) }
            to = node.extend(at, "update", sets.key, c, sets.count)
        end
        q:_take(to, sets.values)
        return execute(q, to, q._values)
    end

    --- Writes columns of all rows that match; returns their number. A value may be raw SQL or a subquery.
    --- `updated_at` is set too, where the model keeps it.
    ---
    ---     User:where("active", false):update{ role = "guest", visits = eloquent.raw("visits + 1") }
    ---@param data table<string, any>  eloquent.null for NULL
    ---@return integer rows
    function Query:update(data)
        if type(data) ~= "table" or next(data) == nil then
            misuse("update expects a table of columns and their values, got %s",
                type(data) == "table" and "an empty one" or "a " .. type(data))
        end
        local sets = builder_sets.new(self, "update")
        sets:add_all(data)
        sets:touch()
        return run_update(self, sets)
    end

    -- Text is a number for a column of decimals, as it is wherever one is written.
    local function amount_of(self, verb, column, amount)
        local root = self._node.root
        local own = fields.own(root, column)
        local is_decimal = own and root.model._column[own].type == "decimal"
        if is_decimal and type(amount) == "string" then
            return fields.normal(root.model, own)(amount)
        end
        return misuse("%s('%s') expects a number%s, got a %s", verb, tostring(column),
            is_decimal and ", a decimal or its text" or "", type(amount))
    end

    local function step(self, verb, sign, column, amount, extra)
        amount = amount == nil and 1 or amount
        if type(amount) ~= "number" and type(amount) ~= "userdata" then
            amount = amount_of(self, verb, column, amount)
        end
        if extra ~= nil and type(extra) ~= "table" then
            return misuse("%s: further columns are given as a table", verb)
        end
        local sets = builder_sets.new(self, verb)
        sets:add(column, sign, amount)
        if extra then
            sets:add_all(extra)
        end
        sets:touch()
        return run_update(self, sets)
    end

    --- Adds to a number column of all rows that match, on the server; returns their number.
    ---
    ---     Post:where("id", 1):increment("views", 1, { last_viewed_at = eloquent.datetime.now() })
    ---@param column string
    ---@param amount number|nil  1 when left out
    ---@param extra table|nil    other columns to write with it
    ---@return integer rows
    function Query:increment(column, amount, extra)
        return step(self, "increment", "+", column, amount, extra)
    end

    --- Takes away from a number column of all rows that match.
    ---@return integer rows
    function Query:decrement(column, amount, extra)
        return step(self, "decrement", "-", column, amount, extra)
    end

    --- Deletes all rows that match; returns their number. A model with soft deletes keeps them, marked; see
    --- forceDelete.
    ---
    ---     User:where("active", false):delete()
    ---@return integer rows
    function Query:delete(extra)
        if extra ~= nil then
            return fields.superfluous("delete", extra, "a model's deleteById takes a key, where{ ... } conditions")
        end
        local model = self._node.root.model
        if model and model._soft_deletes then
            return self:update({ [model._soft_deletes] = builder.now(self:_connection()) })
        end
        return self:forceDelete()
    end

    --- Removes all rows that match from the table; returns their number.
    ---@return integer rows
    function Query:forceDelete(extra)
        if extra ~= nil then
            return fields.superfluous("forceDelete", extra)
        end
        local q = self:_scopes()
        local at = node.peek(q._node, "delete", 1)
            or node.extend(q._node, "delete", 1, { clause = "action", verb = "delete" }, 0)
        return execute(q, at, q._values)
    end

    -- SQLite keeps the counters of AUTOINCREMENT in a table that is there once one was used.
    local function reset_counter(connection, name)
        local counted = connection:scalar("select 1 from sqlite_master where name = 'sqlite_sequence'")
        if counted then
            connection:execute("delete from sqlite_sequence where name = ?", { name })
        end
    end

    --- Empties the table and begins its keys at 1 again. On MySQL this ends an open transaction, as the server does.
    function Query:truncate(extra)
        local root = self._node.root
        if extra ~= nil or self._node ~= root then
            return misuse("truncate empties the whole table, so it goes with no condition and no argument; delete() "
                .. "removes the rows that a query matches")
        end
        local connection = self:_connection()
        local at = node.peek(root, "truncate", 1)
            or node.extend(root, "truncate", 1, { clause = "action", verb = "truncate" }, 0)
        execute(self, at, {})
        if connection.driver == "sqlite" then
            reset_counter(connection, root.table)
        elseif connection.driver == "mongo" then
            require("eloquent.mongo.rows").reset(connection, root)
        end
    end
end
