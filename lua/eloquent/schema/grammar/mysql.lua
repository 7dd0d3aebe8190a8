-- SPDX-License-Identifier: MIT
--
-- DDL of MySQL and MariaDB. Indexes stand inside CREATE TABLE, so that it is one
-- statement: nothing here can be rolled back.

local base = require("eloquent.schema.grammar.base")

local Grammar = base:extend({ driver = "mysql", title = "MySQL" })

Grammar.quote = "`"
Grammar.longest_name = 64
Grammar.name_length = utf8.len
Grammar.increments = "NOT NULL AUTO_INCREMENT PRIMARY KEY"

-- utf8mb4: four bytes each, and a row of 65,535.
local longest_varchar = 16383

local function whole(name)
    return function(_, column)
        return column.unsigned and name .. " UNSIGNED" or name
    end
end

Grammar.types = {
    increments = whole("INT"),
    bigIncrements = whole("BIGINT"),
    smallInteger = whole("SMALLINT"),
    integer = whole("INT"),
    bigInteger = whole("BIGINT"),
    boolean = "TINYINT(1)",
    string = function(self, column)
        if column.length > longest_varchar then
            self:unsupported(
                'a string of MySQL has %d characters at most and "%s" has %d; '
                    .. "take type text",
                longest_varchar,
                column.name,
                column.length
            )
        end
        return ("VARCHAR(%d)"):format(column.length)
    end,
    text = "LONGTEXT",
    decimal = function(_, column)
        return ("DECIMAL(%d,%d)"):format(column.precision, column.scale)
    end,
    -- FLOAT would round what Lua calculated.
    float = "DOUBLE",
    double = "DOUBLE",
    date = "DATE",
    time = "TIME(6)",
    timestamp = "DATETIME(6)",
    json = "JSON",
    uuid = "CHAR(36)",
    ulid = "CHAR(26)",
    binary = function(_, column)
        local short = column.length and column.length <= 65535
        return short and ("VARBINARY(%d)"):format(column.length) or "LONGBLOB"
    end,
    enum = function(self, column)
        return ("ENUM(%s)"):format(self:enum_values(column))
    end,
}

-- Sessions of the program run in UTC.
function Grammar.now()
    return "CURRENT_TIMESTAMP(6)"
end

function Grammar:string(text)
    return (base.string(self, text):gsub("\\", "\\\\"))
end

local expression_only = { text = true, json = true, binary = true }

-- Long types take an expression as their default, and no literal.
function Grammar:literal(column)
    local text = base.literal(self, column)
    return expression_only[column.type] and ("(%s)"):format(text) or text
end

function Grammar:checks_of(column)
    local name = self:identifier(column.name)
    if column.type == "boolean" then
        return { { "boolean", name .. " IN (0, 1)" } }
    elseif column.type == "binary" and column.length and column.length > 65535 then
        return { { "length", ("octet_length(%s) <= %d"):format(name, column.length) } }
    end
    return {}
end

-- MariaDB takes the check of a column without a name, and behind everything else.
function Grammar.column_check(_, _, _, check)
    return ("CHECK (%s)"):format(check[2])
end

function Grammar:column_suffix(column)
    return column.comment and "COMMENT " .. self:string(column.comment) or nil
end

--- Strings compare by their characters, as on the other engines: case counts, and so
--- does a space at the end where the server has such a collation.
---@return string
function Grammar:collation()
    if self.product == "mariadb" and (self.version or 0) >= 100200 then
        return "utf8mb4_nopad_bin"
    elseif self.product == "mysql" and (self.version or 0) >= 80017 then
        return "utf8mb4_0900_bin"
    end
    return "utf8mb4_bin"
end

function Grammar:table_suffix(op)
    local text = " ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=" .. self:collation()
    return op.comment and text .. " COMMENT=" .. self:string(op.comment) or text
end

function Grammar:check_action(key, action)
    if action == "SET DEFAULT" then
        self:unsupported(
            'MySQL and MariaDB have no SET DEFAULT (foreign key "%s"); '
                .. "take SET NULL or RESTRICT",
            key.name
        )
    end
end

-- Raises for what can't be a part of an index: a column without a length, an expression.
local function check_index(self, index, by_name)
    if index.where then
        self:unsupported(
            'MySQL and MariaDB have no partial indexes (index "%s"); leave `where` out there',
            index.name
        )
    end
    for _, column in ipairs(index.columns) do
        if type(column) == "table" then
            if self.product == "mariadb" then
                self:unsupported(
                    'MariaDB has no indexes on expressions (index "%s"); '
                        .. "index a column instead",
                    index.name
                )
            end
        else
            local data = by_name and by_name[column]
            local long = data and not data.length and expression_only[data.type]
            if long then
                self:unsupported(
                    'MySQL can\'t index "%s" of type %s (index "%s"); '
                        .. "take a string or a binary with a length",
                    column,
                    data.type,
                    index.name
                )
            end
        end
    end
end

function Grammar:table_lines(op)
    local by_name = {}
    for _, column in ipairs(op.columns) do
        by_name[column.name] = column
    end
    if op.primary then
        check_index(self, { name = "PRIMARY", columns = op.primary }, by_name)
    end
    local lines = base.table_lines(self, op)
    for _, index in ipairs(op.indexes) do
        check_index(self, index, by_name)
        lines[#lines + 1] = ("%s %s (%s)"):format(
            index.unique and "UNIQUE KEY" or "KEY",
            self:identifier(index.name),
            self:columns(index.columns)
        )
    end
    return lines
end

function Grammar.after_create()
    return {}
end

function Grammar:addIndex(op)
    check_index(self, op.index)
    return base.addIndex(self, op)
end

function Grammar:dropIndex(op)
    return self:alter(op, "DROP INDEX %s", self:identifier(op.name))
end

function Grammar:dropForeignKey(op)
    return self:alter(op, "DROP FOREIGN KEY %s", self:identifier(op.name))
end

function Grammar:commentTable(op)
    return self:alter(op, "COMMENT = %s", self:string(op.comment))
end

local from_catalog = [[
SELECT count(*) FROM information_schema.%s
WHERE table_schema = %s AND table_name = ?]]

function Grammar:table_exists(name)
    local schema, bare = self:split_table(name)
    local text = from_catalog:format("tables", schema and "?" or "DATABASE()")
    local args = schema and { schema, bare } or { bare }
    return text .. " AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED')", args
end

function Grammar:column_exists(name, column)
    local schema, bare = self:split_table(name)
    local text = from_catalog:format("columns", schema and "?" or "DATABASE()")
    local args = schema and { schema, bare, column } or { bare, column }
    return text .. " AND column_name = ?", args
end

return Grammar
