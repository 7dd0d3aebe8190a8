-- SPDX-License-Identifier: MIT
--
-- Who looks after packages: a person or a team. One name may write from several addresses,
-- and one address may have several names, so the pair is what must not repeat.
local eloquent = require("eloquent")
local SqlModel, column = eloquent.SqlModel, eloquent.column

return SqlModel "Maintainer" {
    schema = {
        id = column("increments", nil, { primary = true }),
        name = column("string", 255, { notNull = true }),
        -- Empty when the index gives none. NULLs are never equal to each other, so the
        -- unique index below would not see that two of them are the same.
        email = column("string", 255, { notNull = true, default = "" }),
    },
    database = {
        indexes = {
            { type = "unique", columns = { "name", "email" } },
        },
    },
}
