-- SPDX-License-Identifier: MIT

require("spec.unit.core_stub")
local inflect = require("eloquent.support.inflect")
local nearest = require("eloquent.support.nearest")

describe("names of tables", function()
    local cases = {
        User = "users",
        UserProfile = "user_profiles",
        Category = "categories",
        Day = "days",
        Box = "boxes",
        Buzz = "buzzes",
        Match = "matches",
        Dish = "dishes",
        Class = "classes",
        Address = "addresses",
        Status = "statuses",
        Alias = "aliases",
        Analysis = "analyses",
        Axis = "axes",
        Query = "queries",
        Soliloquy = "soliloquies",
        Person = "people",
        SalesPerson = "sales_people",
        Child = "children",
        Quiz = "quizzes",
        Index = "indices",
        Leaf = "leaves",
        Roof = "roofs",
        Hero = "heroes",
        Photo = "photos",
        News = "news",
        Media = "media",
        Users = "users",
        Lens = "lenses",
        HTTPServer = "http_servers",
        Area51Map = "area51_maps",
        order = "orders",
        X = "xes",
    }
    for model, expected in pairs(cases) do
        it(model .. " -> " .. expected, function()
            assert.equal(expected, inflect.table_name(model))
        end)
    end

    it("changes only the last word", function()
        assert.equal("person_statuses", inflect.plural("person_status"))
    end)
end)

describe("the nearest name", function()
    it("is found in a list", function()
        assert.equal("string", nearest.find("strng", { "text", "string" }))
        assert.equal("email", nearest.find("emial", { "name", "email" }))
    end)

    it("is found among the keys of a table", function()
        assert.equal("user_id", nearest.find("usr_id", { id = 1, user_id = 2, name = 3 }))
    end)

    it("ignores case and underscores", function()
        assert.equal("tableName", nearest.find("table_name", { "tableName", "schema" }))
    end)

    it("is nil when nothing is near", function()
        assert.is_nil(nearest.find("whatever", { "id", "name" }))
        assert.is_nil(nearest.find("x", {}))
    end)

    it("is the first of two that are equally near, in every run", function()
        for _ = 1, 20 do
            assert.equal("aab", nearest.find("aaa", { aac = true, aab = true, aad = true }))
        end
    end)

    it("makes a hint, which knows other names for a thing", function()
        assert.equal('; did you mean \'name\'?', nearest.hint("nmae", { "name" }))
        assert.equal(
            '; did you mean \'integer\'?',
            nearest.hint("int", { "integer" }, { int = "integer" })
        )
        assert.equal("", nearest.hint("zebra", { "name" }))
        assert.equal("", nearest.hint(12, { "name" }))
    end)
end)
