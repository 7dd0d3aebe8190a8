-- SPDX-License-Identifier: MIT
--
-- A binary package. Name, version and architecture tell it from all others: an index may
-- hold several versions of one name, and a machine one version for two architectures.
local eloquent = require("eloquent")
local SqlModel, column = eloquent.SqlModel, eloquent.column

local Package = SqlModel "Package" {
    schema = {
        id = column("increments", nil, { primary = true }),
        name = column("string", 255, { notNull = true }),
        -- dpkg keeps a few packages without these two (never installed, say): then "".
        version = column("string", 255, { notNull = true }),
        architecture = column("string", 64, { notNull = true }),
        source = column("string", 255, { notNull = true }),
        section_id = column("integer", nil, { index = true }),
        maintainer_id = column("integer", nil, { index = true }),
        priority = column("string", 64),
        status = column("string", 255, { comment = "of this machine: 'install ok installed'" }),
        installed_size = column("bigInteger", nil, { comment = "KiB, as the packager estimated" }),
        homepage = column("text"),
        synopsis = column("text"),
        description = column("text"),
    },
    database = {
        indexes = {
            { type = "unique", columns = { "name", "version", "architecture" } },
        },
        foreignKeys = {
            { column = "section_id", references = { table = "sections", column = "id" } },
            { column = "maintainer_id", references = { table = "maintainers", column = "id" } },
        },
    },
}

--- What the unique index goes by, as one text. Takes records and plain rows alike.
---@param package table
---@return string
function Package.identity(package)
    return package.name .. " " .. package.version .. " " .. package.architecture
end

return Package
