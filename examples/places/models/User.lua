-- SPDX-License-Identifier: MIT
--
-- A user: a row of an SQL table. Without a connectionName it lives on DB_CONNECTION.

local eloquent = require("eloquent")

local column = eloquent.column

return eloquent.SqlModel "User" {
    tableName = "users",
    schema = {
        id = column("increments"),
        name = column("string", 255, { notNull = true }),
        email = column("string", 255, { unique = true }),
    },
    timestamps = true,
}
