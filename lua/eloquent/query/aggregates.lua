-- SPDX-License-Identifier: MIT
-- Terminal verbs that reckon on the server: count, sum, avg, min, max. Results have the column's type; sums and
-- averages of decimals are exact.
local errors = require("eloquent.core.errors")
local expression = require("eloquent.query.expression")
local fields = require("eloquent.query.fields")
local node = require("eloquent.query.node")

local misuse = fields.misuse

return function(Query, builder)
    local prepare = builder.prepare

    -- The node of an aggregate; `functions` are written side by side over one field.
    local function ending(at, verb, field, functions)
        local raw = expression.is(field)
        local key = raw and expression.key(field) or field
        local step = "aggregate/" .. verb
        local to = node.peek(at, step, key)
        if not to then
            if raw then
                misuse("%s expects the name of a column; SQL goes into selectRaw", verb)
            elseif field ~= "*" or verb ~= "count" then
                fields.check(at.root, field, verb)
            end
            to = node.extend(at, step, key,
                { clause = "action", verb = "aggregate", field = field, functions = functions }, 0)
        end
        return to
    end

    local function own_column(q, field)
        local own = fields.own(q._node.root, field)
        return own and q._node.root.model._column[own]
    end

    local function scalar(self, verb, field)
        local q = self:_scopes()
        local at = ending(q._node, verb, field, { verb })
        local core, plan, values = prepare(at, q._values, q:_connection())
        return core:scalar(plan, values)
    end

    -- The whole number that a decimal without a fraction is.
    local function whole(value)
        if type(value) == "userdata" then
            local n = math.tointeger(tonumber(tostring(value)))
            return n and tostring(n) == tostring(value) and n or value
        end
        return value
    end

    --- Number of rows, or of rows in which a column is not NULL. With a limit, distinct or groups, the rows that
    --- the query would give are counted.
    ---
    ---     User:where("active", true):count()
    ---@param field string|nil
    ---@return integer
    function Query:count(field)
        return whole(scalar(self, "count", field or "*")) or 0 -- documents of none have no count
    end

    local function check_number(self, verb, field)
        local column = own_column(self, field)
        if column and not (column.type:find("[iI]nteger$") or column.type:find("[iI]ncrements$")
            or column.type == "decimal" or column.type == "float" or column.type == "double") then
            errors.raise({
                kind = "misuse",
                message = ("%s: %s.%s is a %s, no number"):format(verb, self._node.root.model._name, column.name,
                    column.type),
            })
        end
        return column
    end

    --- Sum of a column; 0 for no rows.
    ---
    ---     Order:where("paid", true):sum("total")
    ---@param field string
    function Query:sum(field)
        local column = check_number(self, "sum", field)
        local total = scalar(self, "sum", field)
        if total == nil then
            return 0
        elseif type(total) == "string" then -- a decimal of SQLite
            total = require("eloquent.core.decimal")(total)
        end
        return column and column.type == "decimal" and total or whole(total)
    end

    -- sum / count of a decimal column with four more digits, the same on every engine.
    local function decimal_average(self, field, column)
        local q = self:_scopes()
        local at = ending(q._node, "avg_decimal", field, { "sum", "count" })
        local core, plan, values = prepare(at, q._values, q:_connection())
        local row = core:first(plan, table.unpack(values))
        local total = row and row[column.name] -- documents of none have no row
        if total == nil then
            return nil
        end
        local count = q:_connection():query_grammar().free_name(q._node.root.model, "total")
        return total:div(row[count], (column.scale or 0) + 4)
    end

    --- Average of a column: a decimal with four more digits for decimals, else a float. nil for no rows.
    ---@param field string
    function Query:avg(field)
        local column = check_number(self, "avg", field)
        if column and column.type == "decimal" then
            return decimal_average(self, field, column)
        end
        local value = scalar(self, "avg", field)
        if type(value) == "userdata" and value.tonumber then
            value = value:tonumber()
        end
        return value and value + 0.0
    end

    --- Smallest value of a column, by its type; nil for no rows.
    ---@param field string
    function Query:min(field)
        return scalar(self, "min", field)
    end

    --- Largest value of a column, by its type; nil for no rows.
    ---
    ---     local newest = Order:max("created_at")
    ---@param field string
    function Query:max(field)
        return scalar(self, "max", field)
    end
end
