-- SPDX-License-Identifier: MIT
--
-- The `t` of schema:create("users", function(t) ... end): collects columns, keys and
-- changes and hands them over as operations. It knows no engine and runs nothing.

local column = require("eloquent.schema.column")
local errors = require("eloquent.core.errors")
local keys = require("eloquent.schema.keys")
local misuse = require("eloquent.support.misuse")
local names = require("eloquent.schema.names")
local nearest = require("eloquent.support.nearest")
local operation = require("eloquent.schema.operation")
local types = require("eloquent.schema.types")

---@class eloquent.Table
local Table = {}

local function known_methods()
    local known = {}
    for name in pairs(Table) do
        known[#known + 1] = name
    end
    table.sort(known)
    return known
end

local meant = {
    bigint = "bigInteger",
    int = "integer",
    varchar = "string",
    datetime = "timestamp",
    bool = "boolean",
    jsonb = "json",
    references = "foreign",
}

local TableClass = {
    __name = "eloquent.Table",
    __index = function(_, key)
        local method = Table[key]
        if method == nil then
            local hint = nearest.hint(key, known_methods(), meant)
            misuse("t:" .. tostring(key), "tables have no such method%s", hint)
        end
        return method
    end,
}

local function subject_of(text)
    local file, line = errors.position()
    return { text = text, file = file, line = line }
end

local function check_self(self, method)
    if type(self) ~= "table" or getmetatable(self) ~= TableClass then
        misuse("t." .. method, "write it with a colon, t:%s(...)", method)
    end
end

local function add(self, method, type_name, name, length, options)
    check_self(self, method)
    if type(name) ~= "string" or name == "" or name:find("%z") then
        misuse("t:" .. method, "the first argument is the column's name")
    end
    local subject = subject_of(('t:%s("%s")'):format(method, name))
    local spec = types.check(subject.text, type_name, length, options)
    spec.name = name
    local item = column.new(subject, spec)
    self._items[#self._items + 1] = { column = item }
    return item
end

-- Columns whose method takes a name only.
for _, type_name in ipairs({
    "increments", "bigIncrements", "smallInteger", "integer", "bigInteger", "boolean",
    "text", "float", "double", "date", "time", "timestamp", "json", "uuid", "ulid",
}) do
    Table[type_name] = function(self, name)
        return add(self, type_name, type_name, name)
    end
end

for method, type_name in pairs({
    unsignedSmallInteger = "smallInteger",
    unsignedInteger = "integer",
    unsignedBigInteger = "bigInteger",
}) do
    Table[method] = function(self, name)
        return add(self, method, type_name, name, nil, { unsigned = true })
    end
end

--- The key of the table: counts up, 64 bits.
---@param name string|nil "id" when nil
function Table:id(name)
    return add(self, "id", "bigIncrements", name or "id")
end

---@param name string
---@param length integer|nil characters, 255 when nil
function Table:string(name, length)
    return add(self, "string", "string", name, length)
end

---@param name string
---@param length integer|nil bytes; any number when nil
function Table:binary(name, length)
    return add(self, "binary", "binary", name, length)
end

---@param name string
---@param precision integer|nil all digits, 10 when nil
---@param scale integer|nil digits after the point, 2 when nil
function Table:decimal(name, precision, scale)
    local options = { precision = precision, scale = scale }
    return add(self, "decimal", "decimal", name, nil, options)
end

---@param name string
---@param values string[]
function Table:enum(name, values)
    return add(self, "enum", "enum", name, nil, { values = values })
end

--- A column that refers to an id(); add :constrained() for the foreign key. What refers
--- to increments() is an integer(): MySQL wants the same type on both sides.
---@param name string for example "team_id"
function Table:foreignId(name)
    return add(self, "foreignId", "bigInteger", name)
end

---@param name string
function Table:foreignUuid(name)
    return add(self, "foreignUuid", "uuid", name)
end

---@param name string
function Table:foreignUlid(name)
    return add(self, "foreignUlid", "ulid", name)
end

--- created_at and updated_at, both nullable.
function Table:timestamps()
    for _, name in ipairs({ "created_at", "updated_at" }) do
        add(self, "timestamps", "timestamp", name):nullable()
    end
end

--- The column of soft deletes.
---@param name string|nil "deleted_at" when nil
function Table:softDeletes(name)
    return add(self, "softDeletes", "timestamp", name or "deleted_at"):nullable()
end

local function add_command(self, method, command)
    check_self(self, method)
    self._items[#self._items + 1] = command
end

local function failure(subject)
    return function(message, ...)
        misuse(subject, message, ...)
    end
end

-- name and where, from a name or a table.
local function index_options(fail, options)
    if options == nil or type(options) == "string" then
        return { name = options }
    end
    if type(options) ~= "table" then
        fail("the second argument is a name, or { name = ..., where = ... }")
    end
    for key in pairs(options) do
        if key ~= "name" and key ~= "where" then
            local hint = nearest.hint(key, { "name", "where" })
            fail('unknown option "%s"%s', tostring(key), hint)
        end
    end
    return options
end

local function add_index(self, method, columns, options)
    check_self(self, method)
    local fail = failure("t:" .. method)
    local given = index_options(fail, options)
    local index = keys.index(fail, self._name, {
        columns = columns,
        unique = method == "unique",
        name = given.name,
        where = given.where,
    })
    add_command(self, method, { index = index })
end

--- An index on one or several columns; eloquent.raw(...) among them is an expression.
---@param columns string|table
---@param options string|{ name: string|nil, where: string|nil }|nil a name, or more
function Table:index(columns, options)
    add_index(self, "index", columns, options)
end

--- A unique index on one or several columns.
---@param columns string|table
---@param options string|{ name: string|nil, where: string|nil }|nil a name, or more
function Table:unique(columns, options)
    add_index(self, "unique", columns, options)
end

--- The primary key, where it is no column that counts up.
---@param columns string|string[]
function Table:primary(columns)
    local list = keys.columns(failure("t:primary"), columns, "the primary key")
    add_command(self, "primary", { primary = list })
end

--- A foreign key: t:foreign("team_id"):references("id"):on("teams").
---@param columns string|string[]
---@return table with references, on, onDelete, onUpdate, cascadeOnDelete, ..., name
function Table:foreign(columns)
    check_self(self, "foreign")
    local subject = subject_of("t:foreign")
    local list = keys.columns(failure(subject.text), columns, "the foreign key")
    local item = column.new_foreign_key(subject, list)
    add_command(self, "foreign", { foreign = item })
    return item
end

--- A condition that every row has to fulfil.
---@param expression string SQL, the same for every engine
---@param name string|nil
function Table:check(expression, name)
    local fail = failure("t:check")
    if type(expression) ~= "string" or expression == "" then
        fail('the first argument is an SQL condition, like "price > 0"')
    end
    keys.check_name(fail, name)
    add_command(self, "check", { check = { name = name, expression = expression } })
end

--- The comment of the table.
---@param text string
function Table:comment(text)
    if type(text) ~= "string" then
        misuse("t:comment", "takes a string, found a %s", type(text))
    end
    add_command(self, "comment", { comment = text })
end

--- Drops columns of an existing table.
---@param ... string
function Table:dropColumn(...)
    local columns = keys.columns(failure("t:dropColumn"), { ... }, "dropColumn")
    for _, name in ipairs(columns) do
        add_command(self, "dropColumn", { change = { op = "dropColumn", column = name } })
    end
end

---@param from string
---@param to string
function Table:renameColumn(from, to)
    keys.columns(failure("t:renameColumn"), { from or 0, to or 0 }, "renameColumn")
    add_command(self, "renameColumn", {
        change = { op = "renameColumn", from = from, to = to },
    })
end

-- What drops something by its name, or by the columns that its default name is made of.
for method, rule in pairs({
    dropIndex = { "dropIndex", "index" },
    dropUnique = { "dropIndex", "unique" },
    dropForeign = { "dropForeignKey", "foreign" },
    dropCheck = { "dropCheck" },
}) do
    Table[method] = function(self, name)
        check_self(self, method)
        if type(name) == "table" and rule[2] then
            local columns = keys.columns(failure("t:" .. method), name, method)
            name = names.of(self._name, columns, rule[2])
        elseif type(name) ~= "string" or name == "" then
            misuse("t:" .. method, "takes a name%s", rule[2] and " or a list of columns" or "")
        end
        add_command(self, method, { change = { op = rule[1], name = name } })
    end
end

--- Drops the primary key of an existing table.
function Table:dropPrimary()
    add_command(self, "dropPrimary", { change = { op = "dropPrimary" } })
end

-- The column's data, its indexes and its foreign key.
local function finish_column(self, item)
    local spec, subject = item._spec, item._subject
    local mentioned = spec.nullable ~= nil or spec.notNull ~= nil
    if spec.nullable == nil and not types.increments[spec.type] then
        spec.nullable = false
    end
    types.recheck(subject, spec)
    local data = operation.column(subject, spec, spec.nullable == true)
    if item._change and not mentioned then
        data.nullable = nil
    end
    local indexes = {}
    for _, option in ipairs({ "unique", "index" }) do
        if spec[option] then
            indexes[#indexes + 1] = keys.index(failure(subject), self._name, {
                columns = { spec.name },
                unique = option == "unique",
                name = item._index_names[option],
            })
        end
    end
    local foreign = item._foreign and keys.foreign(failure(subject), self._name, {
        columns = { spec.name },
        table = item._foreign.table,
        references = item._foreign.references,
        onDelete = item._foreign.onDelete,
        onUpdate = item._foreign.onUpdate,
        name = item._foreign.name,
    }) or nil
    return data, indexes, foreign
end

local function finish_foreign(self, item)
    local given = item._foreign
    if not given then
        misuse(item._subject, 'it refers to nothing; add :references("id"):on("teams")')
    end
    return keys.foreign(failure(item._subject), self._name, {
        columns = item._columns,
        table = given.table,
        references = given.references,
        onDelete = given.onDelete,
        onUpdate = given.onUpdate,
        name = given.name,
    })
end

local function name_check(self, check, number)
    if not check.name then
        local suffix = number > 1 and "check" .. number or "check"
        check.name = names.of(self._name, {}, suffix)
    end
    return check
end

-- Puts what an item of a new table describes where it belongs.
local function collect(self, op, subject, item)
    if item.column then
        local data, indexes, foreign = finish_column(self, item.column)
        op.columns[#op.columns + 1] = data
        table.move(indexes, 1, #indexes, #op.indexes + 1, op.indexes)
        op.foreignKeys[#op.foreignKeys + 1] = foreign
        if item.column._change then
            misuse(item.column._subject, "change() is for schema:table; the table is new")
        end
        if item.column._spec.primary and not types.increments[data.type] then
            op.primary = op.primary or {}
            table.insert(op.primary, data.name)
        end
    elseif item.index then
        op.indexes[#op.indexes + 1] = item.index
    elseif item.primary then
        if op.primary then
            misuse(subject, "it has two primary keys")
        end
        op.primary = item.primary
    elseif item.foreign then
        op.foreignKeys[#op.foreignKeys + 1] = finish_foreign(self, item.foreign)
    elseif item.check then
        op.checks[#op.checks + 1] = name_check(self, item.check, #op.checks + 1)
    elseif item.comment then
        op.comment = item.comment
    else
        misuse(subject, "%s is for schema:table; the table is new", item.change.op)
    end
end

-- Columns of a primary key never take NULL, whatever they say themselves.
local function apply_primary(subject, op)
    for _, name in ipairs(op.primary or {}) do
        for _, data in ipairs(op.columns) do
            if data.name == name and data.nullable then
                misuse(subject, '"%s" is in the primary key and can\'t be nullable', name)
            end
        end
    end
end

-- Operations of a change, in the order in which it was written.
local function changes(self, item, list)
    local function append(op)
        op.table = self._name
        list[#list + 1] = op
    end
    if item.column then
        local data, indexes, foreign = finish_column(self, item.column)
        data.foreignKey = foreign
        if item.column._spec.primary then
            misuse(
                item.column._subject,
                "a primary key can't be added with a column; add the column, then t:primary"
            )
        end
        append({ op = item.column._change and "changeColumn" or "addColumn", column = data })
        for _, index in ipairs(indexes) do
            append({ op = "addIndex", index = index })
        end
    elseif item.index then
        append({ op = "addIndex", index = item.index })
    elseif item.primary then
        append({ op = "addPrimary", columns = item.primary })
    elseif item.foreign then
        append({ op = "addForeignKey", foreignKey = finish_foreign(self, item.foreign) })
    elseif item.check then
        if not item.check.name then
            misuse("t:check", "a check that is added to a table needs a name")
        end
        append({ op = "addCheck", check = item.check })
    elseif item.comment then
        append({ op = "commentTable", comment = item.comment })
    else
        append(item.change)
    end
end

local blueprint = {}

--- A table to describe; what `t` is in schema:create and schema:table.
---@param name string
---@return eloquent.Table
function blueprint.new(name)
    return setmetatable({ _name = name, _items = {} }, TableClass)
end

--- The operation that creates the described table.
---@param self eloquent.Table
---@return table
function blueprint.create_operation(self)
    local subject = ('table "%s"'):format(self._name)
    local op = {
        op = "createTable",
        table = self._name,
        columns = {},
        indexes = {},
        foreignKeys = {},
        checks = {},
    }
    for _, item in ipairs(self._items) do
        collect(self, op, subject, item)
    end
    apply_primary(subject, op)
    return operation.check(subject, op)
end

--- The operations that change an existing table as described.
---@param self eloquent.Table
---@return table[]
function blueprint.change_operations(self)
    local list = {}
    for _, item in ipairs(self._items) do
        changes(self, item, list)
    end
    return list
end

return blueprint
