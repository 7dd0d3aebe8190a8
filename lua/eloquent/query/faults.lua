-- SPDX-License-Identifier: MIT
-- Which of many rows an error is about. Statements go out with many rows in them, and nothing is noted about each on
-- its way, so it is looked for when something has failed.
local errors = require("eloquent.core.errors")
local shape = require("eloquent.core.shape")

local faults = {}

-- Raises what binding a value raises that is for no column, with where it is in front.
local function check_plain(where, value, documents)
    local ok, why = pcall(shape.bindable, value, documents)
    if not ok and errors.is(why) then
        why.message = ("%s: %s"):format(where, why.message)
    end
    return ok or error(why, 0)
end

-- Raises where a row has a value that can't be bound.
local function check_row(row, root, documents)
    local model = root.model
    local columns = model and model:_getShape()
    if model and model._open then
        return columns:check(model._columns[1].name, row)
    elseif documents and not model then
        return check_plain(root.table, row, true)
    end
    for name, value in next, row do
        if not columns then
            check_plain(root.table .. "." .. name, value, false)
        elseif columns:has(name) then
            columns:check(name, value)
        end
    end
end

--- The first row with a value that is refused before it is sent, and that error; nil when there is none.
---@param rows table[]
---@param root table  of the query
---@param documents boolean  whether the store takes documents
---@param only integer|nil  look at this row alone
---@return integer|nil, any
function faults.find(rows, root, documents, only)
    for i = only or 1, only or #rows do
        local row = rows[i]
        local ok, why = pcall(check_row, row, root, documents)
        if not ok and errors.is(why, "value") then
            return i, why
        end
    end
end

-- The row of a statement that the store has refused; nil where it doesn't say.
local function refused(err, job)
    local number = err.number or job.from == job.to and 1
    if number and job.has_fixed and err.number then -- two updates for each row
        number = (number + 1) // 2
    end
    return number and job.from + number - 1
end

--- The error, with the row that it is about where that can be told; rows are numbered from the first of the call.
---@param err any
---@param rows table[]
---@param root table  of the query
---@param connection eloquent.Connection
---@param job table  `from`, `to`: the rows of the statement that failed, nil when it was none
---@return any
function faults.named(err, rows, root, connection, job)
    if not errors.is(err) or err.kind == "canceled" then -- which no row is to blame for
        return err
    end
    local documents = connection:query_grammar().documents or false
    local row, message = nil, err.message
    if err.driver then
        row = job.from and refused(err, job)
        message = row and message:gsub(" %(number %d+ of its command%)$", "") or message
    elseif err.kind == "value" then
        local why
        row, why = faults.find(rows, root, documents, err.row)
        message = why and why.message or message
    end
    if row and #rows > 1 then
        err.row, message = row, ("row %d: %s"):format(row, message)
    end
    err.message = message
    return err
end

return faults
