-- SPDX-License-Identifier: MIT
--
-- Users in an SQL database and their places in MongoDB, in one script:
--
--     eloquent run examples/places/main.lua

local here = debug.getinfo(1, "S").source:match("^@(.*/)") or "./"
package.path = here .. "?.lua;" .. package.path

local eloquent = require("eloquent")
local User = require("models.User")
local GeoLocation = require("models.GeoLocation")

eloquent.registerModels({ User, GeoLocation })

local function prepare()
    local schema = eloquent.schema()
    if not schema:hasTable("users") then
        schema:create(User)
    end
    GeoLocation:createIndexes()
end

local function mark(user, name, lat, lon)
    return GeoLocation:create({
        user_id = user.id,
        name = name,
        position = { lat = lat, lon = lon },
        visits = { eloquent.datetime("2026-01-01T12:00:00Z") },
    })
end

local function load()
    local ada = User:create({ name = "Ada", email = "ada@example.org" })
    local bob = User:create({ name = "Bob", email = "bob@example.org" })
    mark(ada, "Aare", 46.95, 7.45)
    mark(ada, "Gurten", 46.92, 7.44)
    mark(bob, "Salève", 46.11, 6.17)
end

-- Keys of one store in a whereIn of the other: two statements, however many rows.
local function report()
    local places = GeoLocation:where("position.lat", ">", 46.5):orderBy("name"):get()
    local users = User:findMany(places:pluck("user_id")):keyBy("id")
    for _, place in ipairs(places) do
        print(("%s was marked by %s (%d visits)"):format(place.name, users[place.user_id].name, #place.visits))
    end
end

local function visit(name)
    local place = GeoLocation:where("name", name):firstOrFail()
    place.visits[#place.visits + 1] = eloquent.datetime("2026-01-02T12:00:00Z")
    place:save()
end

prepare()
if User:count() == 0 then
    load()
end
visit("Aare")
report()
print(("%d users on %s, %d places on %s"):format(User:count(), User:connection().driver, GeoLocation:count(),
    GeoLocation:connection().driver))
