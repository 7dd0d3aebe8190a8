-- SPDX-License-Identifier: MIT
--
-- A column that a migration describes: t:string("email"):unique():nullable(). The types
-- are schema/types.lua; which table it belongs to is schema/table.lua.

local inflect = require("eloquent.support.inflect")
local keys = require("eloquent.schema.keys")
local misuse = require("eloquent.support.misuse")
local nearest = require("eloquent.support.nearest")
local types = require("eloquent.schema.types")

-- Methods of a foreign key, shared with columns.
local ForeignKey = {}
local Column = {}

local actions = {
    cascade = "CASCADE",
    restrict = "RESTRICT",
    null = "SET NULL",
    noAction = "NO ACTION",
}

local function failure(self)
    return function(message, ...)
        misuse(self._subject.text, message, ...)
    end
end

local function foreign_key(self)
    if not self._foreign then
        misuse(
            self._subject.text,
            'say first which table it refers to: :constrained(), or :references("id"):on("teams")'
        )
    end
    return self._foreign
end

local function string_argument(self, what, value)
    if type(value) ~= "string" or value == "" then
        misuse(self._subject.text, "%s takes a name, found a %s", what, type(value))
    end
    return value
end

--- The column, or the list of columns, of the other table.
---@param columns string|string[]
function ForeignKey:references(columns)
    self._foreign = self._foreign or {}
    self._foreign.references = keys.columns(failure(self), columns, "references")
    return self
end

--- The table that the foreign key refers to.
---@param table_name string
function ForeignKey:on(table_name)
    self._foreign = self._foreign or {}
    self._foreign.table = string_argument(self, "on", table_name)
    return self
end

--- What happens to the row when the referenced one is deleted.
---@param action "CASCADE"|"RESTRICT"|"SET NULL"|"NO ACTION"|"SET DEFAULT"
function ForeignKey:onDelete(action)
    keys.check_action(failure(self), "onDelete", action)
    foreign_key(self).onDelete = action
    return self
end

--- What happens to the row when the referenced key changes.
---@param action "CASCADE"|"RESTRICT"|"SET NULL"|"NO ACTION"|"SET DEFAULT"
function ForeignKey:onUpdate(action)
    keys.check_action(failure(self), "onUpdate", action)
    foreign_key(self).onUpdate = action
    return self
end

for word, action in pairs(actions) do
    ForeignKey[word .. "OnDelete"] = function(self)
        return self:onDelete(action)
    end
    ForeignKey[word .. "OnUpdate"] = function(self)
        return self:onUpdate(action)
    end
end

for name, method in pairs(ForeignKey) do
    Column[name] = method
end

--- Names the foreign key.
---@param name string
function ForeignKey:name(name)
    foreign_key(self).name = string_argument(self, "name", name)
    return self
end

--- Makes the column a foreign key. Without arguments `team_id` refers to `teams`.
---@param table_name string|nil
---@param column string|nil "id" when nil
---@param name string|nil of the constraint
function Column:constrained(table_name, column, name)
    if table_name == nil then
        local base = self._spec.name:match("^(.+)_id$")
        if not base then
            misuse(
                self._subject.text,
                'constrained() finds the table by a name like "team_id"; '
                    .. 'write constrained("teams")'
            )
        end
        table_name = inflect.plural(base)
    end
    self._foreign = self._foreign or {}
    self._foreign.table = string_argument(self, "constrained", table_name)
    self._foreign.references = keys.columns(failure(self), column or "id", "references")
    keys.check_name(failure(self), name)
    self._foreign.name = name
    return self
end

--- The column takes NULL. In migrations a column doesn't, unless this says so.
---@param yes boolean|nil true when nil
function Column:nullable(yes)
    types.set(self._subject.text, self._spec, "nullable", yes == nil or yes)
    return self
end

-- Modifiers that set an option to true.
for _, option in ipairs({ "notNull", "primary", "unsigned", "defaultNow", "useTz" }) do
    Column[option] = function(self)
        types.set(self._subject.text, self._spec, option, true)
        return self
    end
end

--- The default is the moment of the insert, in UTC.
Column.useCurrent = Column.defaultNow

--- The value of rows that don't give one; eloquent.raw(...) for an SQL expression.
---@param value any
function Column:default(value)
    if value == nil then
        misuse(self._subject.text, "default takes a value; NULL is eloquent.null")
    end
    types.set(self._subject.text, self._spec, "default", value)
    return self
end

---@param text string
function Column:comment(text)
    types.set(self._subject.text, self._spec, "comment", text)
    return self
end

-- Indexes of the one column; a name may be given.
for _, option in ipairs({ "unique", "index" }) do
    Column[option] = function(self, name)
        keys.check_name(failure(self), name)
        types.set(self._subject.text, self._spec, option, true)
        self._index_names[option] = name
        return self
    end
end

--- Changes an existing column; what is not mentioned stays.
function Column:change()
    self._change = true
    return self
end

local function class(methods, what)
    return {
        __name = what,
        __index = function(self, key)
            local method = methods[key]
            if method == nil then
                local known = {}
                for name in pairs(methods) do
                    known[#known + 1] = name
                end
                table.sort(known)
                misuse(
                    rawget(self, "_subject").text,
                    'there is no modifier "%s"%s',
                    tostring(key),
                    nearest.hint(key, known)
                )
            end
            return method
        end,
    }
end

local ColumnClass = class(Column, "eloquent.TableColumn")
local ForeignKeyClass = class(ForeignKey, "eloquent.TableForeignKey")

local column = {}

---@param subject eloquent.Subject
---@param spec eloquent.ColumnSpec
function column.new(subject, spec)
    return setmetatable({
        _subject = subject,
        _spec = spec,
        _index_names = {},
        _foreign = false,
        _change = false,
    }, ColumnClass)
end

---@param subject eloquent.Subject
---@param columns string[]
function column.new_foreign_key(subject, columns)
    return setmetatable(
        { _subject = subject, _columns = columns, _foreign = false },
        ForeignKeyClass
    )
end

return column
