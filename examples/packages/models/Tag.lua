-- SPDX-License-Identifier: MIT
--
-- A debtags tag: "role::program", "implemented-in::lua".
local eloquent = require("eloquent")
local SqlModel, column = eloquent.SqlModel, eloquent.column

return SqlModel "Tag" {
    schema = {
        id = column("increments", nil, { primary = true }),
        name = column("string", 255, { notNull = true, unique = true }),
    },
}
