-- SPDX-License-Identifier: MIT
--
-- One name in a relationship field of a package. `Depends: a (>= 2), b | c:any` makes three
-- rows: a at place 1; b at place 2, alternative 1; c at place 2, alternative 2.
local eloquent = require("eloquent")
local SqlModel, column = eloquent.SqlModel, eloquent.column

local Dependency = SqlModel "Dependency" {
    schema = {
        id = column("increments", nil, { primary = true }),
        package_id = column("integer", nil, { notNull = true }),
        kind = column("enum", nil, {
            notNull = true,
            values = {
                "Pre-Depends", "Depends", "Recommends", "Suggests", "Enhances",
                "Breaks", "Conflicts", "Replaces",
            },
        }),
        place = column("integer", nil, { notNull = true, comment = "in the field, from 1 on" }),
        alternative = column("integer", nil, { notNull = true, comment = "at its place, from 1 on" }),
        -- A name and no key: it may be a virtual package, or one of another index.
        target = column("string", 255, { notNull = true, index = true }),
        qualifier = column("string", 64, { comment = "the 'any' of python3:any" }),
        comparison = column("enum", nil, { values = { "<<", "<=", "=", ">=", ">>" } }),
        version = column("string", 255),
    },
    database = {
        indexes = {
            { type = "unique", columns = { "package_id", "kind", "place", "alternative" } },
        },
        foreignKeys = {
            {
                column = "package_id",
                references = { table = "packages", column = "id" },
                onDelete = "CASCADE",
            },
        },
    },
}

--- Where in its package a row stands. Takes records and plain rows alike.
---@param row table
---@return string
function Dependency.position(row)
    return row.kind .. " " .. row.place .. " " .. row.alternative
end

return Dependency
