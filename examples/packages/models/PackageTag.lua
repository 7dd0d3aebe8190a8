-- SPDX-License-Identifier: MIT
--
-- Which package has which tag: the pivot table between packages and tags. Its key is the
-- pair, so no pair can be there twice.
local eloquent = require("eloquent")
local SqlModel, column = eloquent.SqlModel, eloquent.column

return SqlModel "PackageTag" {
    tableName = "package_tag",
    schema = {
        package_id = column("integer", nil, { primary = true }),
        tag_id = column("integer", nil, { primary = true, index = true }),
    },
    database = {
        foreignKeys = {
            {
                column = "package_id",
                references = { table = "packages", column = "id" },
                onDelete = "CASCADE",
            },
            {
                column = "tag_id",
                references = { table = "tags", column = "id" },
                onDelete = "CASCADE",
            },
        },
    },
}
