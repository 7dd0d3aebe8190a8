-- SPDX-License-Identifier: MIT
--
-- A place that a user has marked: a document of MongoDB, whichever database is the
-- default. `position` and `visits` are documents inside it.

local eloquent = require("eloquent")

local column = eloquent.column

return eloquent.MongoModel "GeoLocation" {
    tableName = "geolocations",
    connectionName = "mongo",
    schema = {
        id = column("increments", nil, { primary = true }),
        user_id = column("integer", nil, { index = true }),
        name = column("string", 255, { notNull = true }),
        position = column("json"),
        visits = column("json"),
    },
    timestamps = true,
}
