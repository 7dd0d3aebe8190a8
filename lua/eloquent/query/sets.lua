-- SPDX-License-Identifier: MIT
-- The assignments of an update: columns with values, raw SQL, subqueries or sums, in an order that is the same
-- in each run, and the key that tells their shape apart.
local datetime = require("eloquent.core.datetime")
local expression = require("eloquent.query.expression")
local fields = require("eloquent.query.fields")

local misuse = fields.misuse

---@class eloquent.Sets
local Sets = {}
Sets.__index = Sets

local sets = {}

--- Assignments for the table of a query.
---@param query eloquent.Query
---@param verb string  for messages
---@return eloquent.Sets
function sets.new(query, verb)
    return setmetatable({ query = query, verb = verb, items = {}, named = {}, values = {}, count = 0, key = "" }, Sets)
end

local function check_name(self, name)
    local root = self.query._node.root
    fields.identifier(name, self.verb)
    if root.model and not root.model._column[name] then
        fields.unknown(root.model, name)
    elseif self.named[name] then
        misuse("%s: the column '%s' is given twice", self.verb, name)
    end
    self.named[name] = true
end

local function push(self, item, values, count)
    for i = 1, count do
        self.values[self.count + i] = values[i]
    end
    item.after = self.count
    self.count = self.count + count
    self.items[#self.items + 1] = item
end

--- column = value; or column = column `how` value, for how "+" and "-".
function Sets:add(name, how, value)
    check_name(self, name)
    if how ~= "value" then
        push(self, { name = name, how = how }, { value }, 1)
    elseif expression.is(value) then
        push(self, { name = name, how = "raw", raw = value }, value.values, #value.values)
        how = expression.key(value)
    elseif require("eloquent.query.builder").is(value) then
        local sub = self.query:_subquery(value, self.verb)
        push(self, { name = name, how = "sub", sub = sub._node }, sub._values, sub._node.count)
        how = ("%p"):format(sub._node)
    else
        push(self, { name = name, how = "value" }, { value }, 1)
    end
    self.key = self.key .. name .. "\0" .. how .. "\0"
end

--- column = what the new row would have had; for upserts.
function Sets:add_given(name)
    check_name(self, name)
    push(self, { name = name, how = "given" }, {}, 0)
    self.key = self.key .. name .. "\0given\0"
end

--- Names of a table's columns in the order of the schema, or of the alphabet.
function sets.names(root, data, verb)
    local names, place = {}, {}
    for name in next, data do
        fields.identifier(name, verb)
        names[#names + 1] = name
    end
    if root.model then
        for i, column in ipairs(root.model._columns) do
            place[column.name] = i
        end
    end
    table.sort(names, function(a, b)
        local i, j = place[a], place[b]
        if i and j then
            return i < j
        end
        return i ~= nil and j == nil or (i == nil) == (j == nil) and a < b
    end)
    return names
end

--- All columns of a table.
function Sets:add_all(data)
    for _, name in ipairs(sets.names(self.query._node.root, data, self.verb)) do
        self:add(name, "value", data[name])
    end
end

--- The model's `updated_at`, unless it is given.
function Sets:touch()
    local model = self.query._node.root.model
    local stamp = model and model._timestamps and model._timestamps.updated
    if stamp and not self.named[stamp] then
        local documents = self.query:_connection().driver == "mongo" and require("eloquent.mongo.rows")
        self:add(stamp, "value", (documents or datetime).now())
    end
end

-- Which assignments come first. MySQL takes them one after the other, and SQL that reads a column has to see what
-- was there before; two that read each other's columns still differ there.
local ranks = { raw = 1, sub = 1, ["+"] = 2, ["-"] = 2 }

--- The items with the places of their values, the first of which is at `first`.
function Sets:placed(first)
    local ranked = { {}, {}, {} }
    for _, item in ipairs(self.items) do
        item.first = first + item.after
        table.insert(ranked[ranks[item.how] or 3], item)
    end
    for rank = 2, 3 do
        table.move(ranked[rank], 1, #ranked[rank], #ranked[1] + 1, ranked[1])
    end
    return ranked[1]
end

return sets
