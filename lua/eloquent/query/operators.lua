-- SPDX-License-Identifier: MIT
-- The operators and directions that a query accepts. What is not listed here never becomes SQL.
local errors = require("eloquent.core.errors")

local operators = {}

local listed = { "=", "!=", "<>", "<", "<=", ">", ">=", "like", "not like" }
local known = {}
for _, op in ipairs(listed) do
    known[op] = op
end
known["<>"] = "!="
operators.known = known

local instead = {
    ["in"] = "whereIn", ["not in"] = "whereNotIn", between = "whereBetween", ["not between"] = "whereNotBetween",
    is = "whereNull or eloquent.null", ["is not"] = "whereNotNull", ["is null"] = "whereNull",
    ["is not null"] = "whereNotNull", exists = "whereExists", ["=="] = "'='", ["~="] = "'!='",
    ilike = "'like', which ignores case on every engine",
}

--- The operator in its one spelling ("<>" is "!=", letters are lower case), or an error.
---@param op any
---@return string
function operators.check(op)
    local lower = type(op) == "string" and op:lower() or nil
    local found = lower and known[lower]
    if found then
        return found
    end
    local hint = instead[lower] and ("; use " .. instead[lower]) or ""
    return errors.raise({
        kind = "misuse",
        message = ("%s is no operator%s. Operators are %s"):format(
            lower and ("'" .. op .. "'") or ("a " .. type(op)), hint, table.concat(listed, ", ")),
    })
end

--- "asc" or "desc", or an error.
---@param direction any
---@return string
function operators.direction(direction)
    local lower = type(direction) == "string" and direction:lower() or nil
    if lower == "asc" or lower == "desc" then
        return lower
    end
    return errors.raise({
        kind = "misuse",
        message = ("%s is no direction of orderBy; directions are asc and desc"):format(
            lower and ("'" .. direction .. "'") or ("a " .. type(direction))),
    })
end

return operators
