-- SPDX-License-Identifier: MIT
--
-- All models of this example, and the tables that they need.
local eloquent = require("eloquent")

local models = {
    Section = require("models.Section"),
    Maintainer = require("models.Maintainer"),
    Package = require("models.Package"),
    Dependency = require("models.Dependency"),
    Tag = require("models.Tag"),
    PackageTag = require("models.PackageTag"),
}

--- Their names; a table comes after those that its foreign keys name.
models.order = { "Section", "Maintainer", "Package", "Dependency", "Tag", "PackageTag" }

local function is_missing(name)
    return not eloquent.schema():hasTable(models[name])
end

--- Creates the tables that are missing.
function models.create_tables()
    for _, name in ipairs(models.order) do
        if is_missing(name) then
            eloquent.schema():create(models[name])
        end
    end
end

--- Whether all tables are there.
---@return boolean
function models.have_tables()
    for _, name in ipairs(models.order) do
        if is_missing(name) then
            return false
        end
    end
    return true
end

return models
