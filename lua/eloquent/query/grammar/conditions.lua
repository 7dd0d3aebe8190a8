-- SPDX-License-Identifier: MIT
-- The text of conditions: one function for each kind, joined by AND and OR. Engines replace single kinds.
local fields = require("eloquent.query.fields")

local concat = table.concat
local misuse = fields.misuse

return function(base)
    local kinds = {}

    -- The column of a condition; in having also a name of the select list.
    local function subject(self, cx, q, c)
        if c.clause == "havings" and type(c.field) == "string" then
            return self:having_column(cx, q, c)
        end
        return self:column(cx, q, c.field, c.first)
    end
    base.subject = subject

    --- Place of a condition's own values, which come after those of a raw field.
    local function first_of(c)
        return type(c.field) == "table" and c.first + #c.field.values or c.first
    end
    base.first_of = first_of

    local function negated(c)
        return c.is_not and "not " or ""
    end

    --- A column of having. Not every engine takes aliases there; see grammar/pg.lua.
    function base:having_column(cx, q, c)
        return self:output_column(cx, q, c)
    end

    function kinds.basic(self, cx, q, c)
        local left = subject(self, cx, q, c)
        local right = c.raw and cx:raw(c.raw, first_of(c)) or cx:bind_for(first_of(c), q, c.field)
        return negated(c) .. left .. " " .. c.op .. " " .. right
    end

    function kinds.sub(self, cx, q, c)
        local left = subject(self, cx, q, c)
        local shifted = { first = first_of(c), sub = c.sub }
        return negated(c) .. left .. " " .. c.op .. " (" .. cx:subquery(shifted) .. ")"
    end

    function kinds.null(self, cx, q, c)
        return subject(self, cx, q, c) .. (c.is_not and " is not null" or " is null")
    end

    -- x IN (...) with NULL among the values: what SQL says of NULL in a list is not what anybody means.
    local function with_null(self, cx, q, c, text)
        if not c.has_null then
            return text
        end
        local again = subject(self, cx, q, c)
        return "(" .. text .. (c.is_not and " and " or " or ") .. again .. (c.is_not and " is not null)" or " is null)")
    end

    kinds["in"] = function(self, cx, q, c)
        if c.n == 0 and not c.has_null then
            return c.is_not and "1 = 1" or "1 = 0"
        end
        local left = subject(self, cx, q, c)
        if c.n == 0 then
            return left .. (c.is_not and " is not null" or " is null")
        end
        local list, first = {}, first_of(c)
        for i = 1, c.n do
            list[i] = cx:bind_for(first + i - 1, q, c.field)
        end
        return with_null(self, cx, q, c, left .. " " .. negated(c) .. "in (" .. concat(list, ", ") .. ")")
    end

    function kinds.in_list(self, cx, q, c)
        local left = subject(self, cx, q, c)
        local own = fields.own(q.root, c.field)
        local list = { kind = c.list, is_not = c.is_not, column = own and q.model._column[own] }
        list.normal = own and fields.normal(q.model, own)
        local text = self:in_list(cx, left, first_of(c), list)
        cx.long_list = true
        return with_null(self, cx, q, c, text)
    end

    function kinds.in_sub(self, cx, q, c)
        local left = subject(self, cx, q, c)
        local shifted = { first = first_of(c), sub = c.sub }
        return left .. " " .. negated(c) .. "in (" .. cx:subquery(shifted) .. ")"
    end

    function kinds.between(self, cx, q, c)
        local left, first = subject(self, cx, q, c), first_of(c)
        local low = cx:bind_for(first, q, c.field)
        return left .. " " .. negated(c) .. "between " .. low .. " and " .. cx:bind_for(first + 1, q, c.field)
    end

    function kinds.column(self, cx, q, c)
        local left = subject(self, cx, q, c)
        return negated(c) .. left .. " " .. c.op .. " " .. self:column(cx, q, c.other, first_of(c))
    end

    function kinds.like(self, cx, q, c)
        return self:like(cx, subject(self, cx, q, c), first_of(c), c.is_not, c.case_sensitive)
    end

    function kinds.date(self, cx, q, c)
        local left = self:date_part(subject(self, cx, q, c), c.part)
        return left .. " " .. c.op .. " " .. self:date_value(cx:bind(first_of(c)), c.part)
    end

    --- Lists of more values of a kind travel as one value: an array, or JSON text.
    function base.spread()
        return 1000
    end

    function base.date_value(_, text)
        return text
    end

    function kinds.exists(_, cx, _, c)
        return negated(c) .. "exists (" .. cx:subquery(c) .. ")"
    end

    function kinds.raw(_, cx, _, c)
        return negated(c) .. "(" .. cx:raw(c.raw, c.first) .. ")"
    end

    function kinds.group(self, cx, q, c)
        local text = cx:within(c, self.conditions_of, self, cx, q, c.sub, c.clause == "havings" and "having" or "where")
        return negated(c) .. "(" .. text .. ")"
    end

    base.kinds = kinds

    --- Conditions as one text; where one comes after a fence, what is before it stands in parentheses if it has
    --- an OR.
    function base:conditions(cx, q, list)
        local text, has_or, fenced = {}, false, false
        for _, c in ipairs(list) do
            if c.kind == "fence" then
                fenced = has_or
            else
                if fenced then
                    text, has_or, fenced = { "(" .. concat(text) .. ")" }, false, false
                end
                if #text > 0 then
                    text[#text + 1] = c.is_or and " or " or " and "
                    has_or = has_or or c.is_or
                end
                text[#text + 1] = self.kinds[c.kind](self, cx, q, c)
            end
        end
        return concat(text)
    end

    --- The conditions of a nested query that ends at a node.
    function base:conditions_of(cx, q, at, what)
        local inner = cx:parts(at)
        for clause, c in pairs(inner) do
            if type(c) == "table" and clause ~= "wheres" and clause ~= "root" and clause ~= "model"
                and (c.clause or #c > 0) then
                misuse("only conditions can stand inside a nested %s", what)
            end
        end
        local scope = setmetatable({ root = inner.root }, { __index = q })
        local list = inner.wheres
        if what == "having" then
            for i, c in ipairs(list) do
                list[i] = setmetatable({ clause = "havings" }, { __index = c })
            end
        end
        return self:conditions(cx, scope, list)
    end
end
