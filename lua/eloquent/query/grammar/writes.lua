-- SPDX-License-Identifier: MIT
-- The text of update, delete, insert and upsert that engines share.
local fields = require("eloquent.query.fields")

local concat = table.concat
local misuse = fields.misuse

return function(base)
    -- {====== Update, delete ======

    -- The rows a write is about, as WHERE. A write knows neither joins nor a limit on most engines, so these go
    -- into a subquery of keys; the table inside it is derived because MySQL would not read what it writes.
    local function written_rows(self, cx, q, verb)
        for clause, name in pairs({ groups = "groupBy", havings = "having", unions = "union" }) do
            if #q[clause] > 0 then
                misuse("%s writes rows of one table: it can't be combined with %s", verb, name)
            end
        end
        if #q.joins == 0 and not q.limit and not q.offset then
            return self:wheres(cx, q)
        end
        local key = q.model and q.model._key
        if not key then
            misuse("%s with a join or a limit finds its rows by primary key, and %s has none", verb,
                q.model and q.model._name or "'" .. q.table .. "' without a model")
        end
        local inner = setmetatable({
            columns = { { kind = "field", field = (q.alias or q.table) .. "." .. key, first = 1 } },
        }, { __index = q })
        return "where " .. self:quote(key) .. " in (select " .. self:quote(key) .. " from ("
            .. self:select(cx, inner) .. ") as " .. self:quote("t") .. ")"
    end

    --- `column + ?`, exact for the column's type.
    function base.sum_of(_, column, sign, placeholder)
        return column .. " " .. sign .. " " .. placeholder
    end

    local function assignment(self, cx, q, set)
        local name = self:quote(set.name)
        local param = q.model and set.name or nil
        if set.how == "value" then
            return name .. " = " .. cx:bind(set.first, param)
        elseif set.how == "raw" then
            return name .. " = " .. cx:raw(set.raw, set.first)
        elseif set.how == "sub" then
            return name .. " = (" .. cx:subquery(set) .. ")"
        elseif set.how == "given" then
            return name .. " = " .. self:given(set.name)
        end
        local column = q.model and q.model._column[set.name]
        return name .. " = " .. self:sum_of(name, set.how, cx:bind(set.first, param), column)
    end

    local function assignments(self, cx, q, sets)
        local list = {}
        for i, set in ipairs(sets) do
            list[i] = assignment(self, cx, q, set)
        end
        return concat(list, ", ")
    end

    local function joined(...)
        local list = {}
        for _, text in ipairs({ ... }) do
            if text ~= "" then
                list[#list + 1] = text
            end
        end
        return concat(list, " ")
    end

    function base:update(cx, q)
        local set = "set " .. assignments(self, cx, q, q.action.sets)
        return joined("update " .. self:table_of(q.table, q.alias), set, written_rows(self, cx, q, "update"))
    end

    function base:delete(cx, q)
        return joined("delete from " .. self:table_of(q.table, q.alias), written_rows(self, cx, q, "delete"))
    end

    function base:truncate(_, q)
        return "truncate table " .. self:name_of(q.table)
    end

    -- }======
    -- {====== Insert ======

    --- A row without any column.
    --- What a new row would have had, in the update part of an upsert.
    function base:given(name)
        return "excluded." .. self:quote(name)
    end

    --- What to do about rows that are there already.
    function base:conflict(cx, q, conflict)
        local target = ""
        if conflict.unique then
            local list = {}
            for i, name in ipairs(conflict.unique) do
                list[i] = self:quote(name)
            end
            target = " (" .. concat(list, ", ") .. ")"
        end
        if not conflict.sets or #conflict.sets == 0 then
            return "on conflict" .. target .. " do nothing"
        end
        return "on conflict" .. target .. " do update set " .. assignments(self, cx, q, conflict.sets)
    end
    base.assignments = assignments

    local function row_of(cx, a, row, first, model)
        local list = {}
        for i, name in ipairs(a.columns) do
            if a.absent and a.absent[row] and a.absent[row][name] then
                list[i] = "default"
            else
                list[i] = cx:bind(first, model and name)
                first = first + 1
            end
        end
        return "(" .. concat(list, ", ") .. ")", first
    end

    local function rows_of(cx, a, model)
        local list, first = {}, a.first
        for row = 1, a.rows do
            list[row], first = row_of(cx, a, row, first, model)
        end
        return concat(list, ", ")
    end

    function base:insert(cx, q)
        local a = q.action
        local text = "insert into " .. self:name_of(q.table)
        if #a.columns == 0 then
            text = text .. " " .. self.empty_row
        else
            local names = {}
            for i, name in ipairs(a.columns) do
                names[i] = self:quote(name)
            end
            text = text .. " (" .. concat(names, ", ") .. ") values " .. rows_of(cx, a, q.model)
        end
        if a.conflict then
            text = text .. " " .. self:conflict(cx, q, a.conflict)
        end
        if a.returning and self.returning then
            text = text .. " returning " .. self:quote(a.returning)
        end
        return text
    end

    --- Runs `write`, which ignores rows that are there, and returns how many were new.
    function base.count_new(_, _, write)
        return write()
    end

    --- Rows of the next statement when `left` are to be written and `room` fit into one.
    function base.batch(_, left, room)
        return left < room and left or room
    end

    -- }======
end
