-- SPDX-License-Identifier: MIT
--
-- Brings the tables to what an index says: inserts rows that are new, updates those that
-- differ, deletes those that the index doesn't have any more. A second run over the same
-- index finds nothing to do.
--
-- It goes in batches of packages: read some stanzas, read what the tables have of them,
-- write the difference. So the memory that it takes doesn't grow with the index.
local eloquent = require("eloquent")
local Failure = require("failure")
local models = require("models")
local Names = require("names")
local package_fields = require("package_fields")

local Package, Dependency, PackageTag = models.Package, models.Dependency, models.PackageTag
local null = eloquent.null

-- Packages in one batch.
local BATCH <const> = 500

---@class Load
---@field changes table<string, { inserted: integer, updated: integer, deleted: integer }>
---@field seen table<integer, true>  ids of the packages that the index has
---@field packages integer           how many those are
---@field repeated integer           stanzas of packages that were there before
local Load = {}
Load.__index = Load

local function new_load()
    local changes = {}
    for _, name in ipairs(models.order) do
        changes[name] = { inserted = 0, updated = 0, deleted = 0 }
    end
    return setmetatable({
        changes = changes,
        seen = {},
        packages = 0,
        repeated = 0,
        sections = Names.new(models.Section, { "name" }),
        maintainers = Names.new(models.Maintainer, { "name", "email" }),
        tags = Names.new(models.Tag, { "name" }),
    }, Load)
end

-- {{{ one batch

-- Gives every row of Package the keys of its section and maintainer.
function Load:set_keys(batch)
    for _, facts in ipairs(batch) do
        local row = facts.row
        row.section_id = facts.section and self.sections:id({ name = facts.section }) or null
        row.maintainer_id = facts.maintainer and self.maintainers:id(facts.maintainer) or null
    end
end

-- The packages of the table that have the names of these, by their identity.
local function find_packages(batch)
    local names = {}
    for i, facts in ipairs(batch) do
        names[i] = facts.row.name
    end
    local found = {}
    for _, record in ipairs(Package:whereIn("name", names):get()) do
        found[Package.identity(record)] = record
    end
    return found
end

-- Writes the columns of a record that differ from the row; most often that is nothing.
local function update(record, row, changes)
    record:fill(row)
    if record:isDirty() then
        record:save()
        changes.updated = changes.updated + 1
    end
end

-- Writes the rows of Package and sets `id` of all facts. Returns the batch without those
-- whose package came before, and of them the ones that the table had already.
function Load:write_packages(batch)
    local changes, found = self.changes.Package, find_packages(batch)
    local kept, old, new, new_rows, by_identity = {}, {}, {}, {}, {}
    for _, facts in ipairs(batch) do
        local identity = Package.identity(facts.row)
        local record = found[identity]
        if by_identity[identity] or record and self.seen[record.id] then
            self.repeated = self.repeated + 1
        else
            by_identity[identity] = facts
            kept[#kept + 1] = facts
            if record then
                update(record, facts.row, changes)
                facts.id, old[#old + 1] = record.id, facts
            else
                new[#new + 1], new_rows[#new_rows + 1] = facts, facts.row
            end
        end
    end
    if new[1] then
        Package:insert(new_rows)
        found = find_packages(new)
        for _, facts in ipairs(new) do
            facts.id = found[Package.identity(facts.row)].id
        end
        changes.inserted = changes.inserted + #new
    end
    for _, facts in ipairs(kept) do
        self.seen[facts.id] = true
    end
    self.packages = self.packages + #kept
    return kept, old
end

-- What a table has for these packages, as one table for each of them: { [key] = record }.
local function by_package(Model, packages, key_of)
    local ids, found = {}, {}
    for i, facts in ipairs(packages) do
        ids[i], found[facts.id] = facts.id, {}
    end
    if ids[1] then
        for _, record in ipairs(Model:whereIn("package_id", ids):get()) do
            found[record.package_id][key_of(record)] = record
        end
    end
    return found
end

function Load:write_dependencies(batch, old)
    local changes, new_rows, gone = self.changes.Dependency, {}, {}
    local found = by_package(Dependency, old, Dependency.position)
    for _, facts in ipairs(batch) do
        local left = found[facts.id] or {}
        for _, row in ipairs(facts.dependencies) do
            row.package_id = facts.id
            local position = Dependency.position(row)
            local record = left[position]
            if record then
                update(record, row, changes)
                left[position] = nil
            else
                new_rows[#new_rows + 1] = row
            end
        end
        for _, record in pairs(left) do
            gone[#gone + 1] = record.id
        end
    end
    changes.inserted = changes.inserted + Dependency:insert(new_rows)
    if gone[1] then
        changes.deleted = changes.deleted + Dependency:whereIn("id", gone):delete()
    end
end

local function tag_id_of(record)
    return record.tag_id
end

function Load:write_tags(batch, old)
    local changes, new_rows = self.changes.PackageTag, {}
    local found = by_package(PackageTag, old, tag_id_of)
    for _, facts in ipairs(batch) do
        local left = found[facts.id] or {}
        for _, name in ipairs(facts.tags) do
            local id = self.tags:id({ name = name })
            if left[id] then
                left[id] = nil
            else
                new_rows[#new_rows + 1] = { package_id = facts.id, tag_id = id }
            end
        end
        local gone = {}
        for id in pairs(left) do
            gone[#gone + 1] = id
        end
        if gone[1] then
            local rows = PackageTag:where("package_id", facts.id):whereIn("tag_id", gone)
            changes.deleted = changes.deleted + rows:delete()
        end
    end
    changes.inserted = changes.inserted + PackageTag:insert(new_rows)
end

function Load:write(batch)
    self:set_keys(batch)
    local kept, old = self:write_packages(batch)
    self:write_dependencies(kept, old)
    self:write_tags(kept, old)
end

-- }}}
-- {{{ after the last batch

-- Deletes packages that the index doesn't have, and what belongs to them.
function Load:delete_vanished()
    local gone = {}
    for _, id in ipairs(Package:pluck("id")) do
        if not self.seen[id] then
            gone[#gone + 1] = id
        end
    end
    -- The foreign keys would take these rows along; deleted here, they can be counted.
    local function delete(name, key)
        local changes = self.changes[name]
        changes.deleted = changes.deleted + models[name]:whereIn(key, gone):delete()
    end
    delete("Dependency", "package_id")
    delete("PackageTag", "package_id")
    delete("Package", "id")
end

-- Deletes rows that no package names any more.
function Load:delete_unused(name, user, key)
    local Model, changes = models[name], self.changes[name]
    local used = user:whereColumn(user._table .. "." .. key, Model._table .. ".id")
    changes.deleted = Model:whereNotExists(used):delete()
end

function Load:finish()
    self:delete_vanished()
    self:delete_unused("Section", Package, "section_id")
    self:delete_unused("Maintainer", Package, "maintainer_id")
    self:delete_unused("Tag", PackageTag, "tag_id")
    self.changes.Section.inserted = self.sections.added
    self.changes.Maintainer.inserted = self.maintainers.added
    self.changes.Tag.inserted = self.tags.added
end

-- }}}

--- Loads an index, all of it or, when something fails, nothing.
---@param source Source
---@param progress Progress
---@return Load
local function load(source, progress)
    return eloquent.transaction(function()
        local self, batch = new_load(), {}
        for facts in package_fields.packages(source) do
            batch[#batch + 1] = facts
            if #batch == BATCH then
                self:write(batch)
                batch = {}
                progress:update(self.packages, source:progress())
            end
        end
        source:finish()
        self:write(batch)
        if self.packages == 0 then
            -- Taken at its word, an empty file would empty the database.
            Failure.raise("%s has no packages; nothing was changed", source.name)
        end
        self:finish()
        return self
    end)
end

return load
