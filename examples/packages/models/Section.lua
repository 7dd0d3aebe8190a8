-- SPDX-License-Identifier: MIT
--
-- A section of the archive: "admin", "libs", "non-free/games".
local eloquent = require("eloquent")
local SqlModel, column = eloquent.SqlModel, eloquent.column

return SqlModel "Section" {
    schema = {
        id = column("increments", nil, { primary = true }),
        name = column("string", 255, { notNull = true, unique = true }),
    },
}
