-- SPDX-License-Identifier: MIT
local eloquent = require("eloquent")
local column = eloquent.column
local Model = os.getenv("DB_CONNECTION") == "mongo" and eloquent.MongoModel or eloquent.SqlModel

return Model "User" {
    tableName = "users",
    schema = {
        id = column("increments", nil, { primary = true }),
        name = column("string", 255, { notNull = true }),
        email = column("string", 255, { notNull = true, unique = true }),
        age = column("integer"),
        score = column("double"),
        active = column("boolean"),
        bio = column("text"),
        created_at = column("timestamp"),
    },
}
