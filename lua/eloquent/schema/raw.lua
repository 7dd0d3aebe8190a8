-- SPDX-License-Identifier: MIT
--
-- Expressions of eloquent.raw in definitions: a default, a part of an index. They are
-- text; a definition has nothing to bind values to.

local expression = require("eloquent.query.expression")

local raw = {}

--- The SQL of an expression, or nil for every other value.
---@param value any
---@param fail fun(message: string, ...: any) raises
---@return string|nil
function raw.text(value, fail)
    if not expression.is(value) then
        return nil
    end
    if #value.values > 0 then
        fail("an expression in a definition takes no values; write them into its SQL")
    end
    return value.sql
end

return raw
