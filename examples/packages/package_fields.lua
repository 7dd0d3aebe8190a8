-- SPDX-License-Identifier: MIT
--
-- What the fields of a stanza say: makes rows of models from it. Values that the stanza
-- doesn't have are eloquent.null, so that all rows have the same columns.
local control = require("control")
local Failure = require("failure")
local null = require("eloquent").null

local package_fields = {}

--- Fields that tell how a package relates to others.
local relationships <const> = {
    "Pre-Depends", "Depends", "Recommends", "Suggests", "Enhances",
    "Breaks", "Conflicts", "Replaces",
}

--- All fields that are read.
package_fields.names = {
    "Package", "Version", "Architecture", "Source", "Section", "Priority", "Status",
    "Installed-Size", "Maintainer", "Homepage", "Description", "Tag",
    table.unpack(relationships),
}

-- How the version of a target may compare; < and > are old forms that dpkg still takes.
local comparisons <const> = {
    ["<<"] = "<<", ["<="] = "<=", ["="] = "=", [">="] = ">=", [">>"] = ">>",
    ["<"] = "<=", [">"] = ">=",
}

-- nil for a text without anything but space.
local function trim(text)
    return text:match("^%s*(.*%S)")
end

-- A field's text without what surrounds it; nil when it is absent or empty.
local function text_of(stanza, name)
    local text = stanza[name]
    return text and trim(text)
end

-- { name=, email= } of "Jane Doe <jane@example.org>"; the address may be missing.
local function maintainer_of(stanza)
    local text = text_of(stanza, "Maintainer")
    if not text then
        return nil
    end
    local name, email = text:match("^(.-)%s*<%s*([^<>]*)%s*>$")
    if not name then
        return { name = text, email = "" }
    end
    return { name = name ~= "" and name or email, email = email }
end

-- The first line, and the rest without the space that each line begins with. A line of one
-- dot stands for an empty one.
local function description_of(stanza)
    local text = stanza.Description
    if not text then
        return null, null
    end
    local synopsis, rest = text:match("^([^\n]*)(.*)$")
    if rest ~= "" then
        rest = rest:gsub("\n[ \t]%.[^\n]*", "\n"):gsub("\n[ \t]", "\n"):sub(2)
    end
    return trim(synopsis) or null, rest ~= "" and rest or null
end

-- KiB. dpkg's own files have it as a whole number, and so must all others.
local function installed_size_of(source, stanza)
    local text = text_of(stanza, "Installed-Size")
    if not text then
        return null
    end
    if not text:find("^%d+$") then
        control.fail(
            source,
            stanza.at["Installed-Size"],
            "Installed-Size is a number of KiB, found '%s'",
            text
        )
    end
    return math.tointeger(text)
end

-- "0ad-data (0.0.26-1)" is the source 0ad-data; without the field it is named as the package.
local function source_name_of(stanza)
    local text = text_of(stanza, "Source")
    return text and text:match("^%S+") or stanza.Package
end

local function package_row(source, stanza)
    local synopsis, description = description_of(stanza)
    return {
        name = stanza.Package,
        version = text_of(stanza, "Version") or "",
        architecture = text_of(stanza, "Architecture") or "",
        source = source_name_of(stanza),
        priority = text_of(stanza, "Priority") or null,
        status = text_of(stanza, "Status") or null,
        installed_size = installed_size_of(source, stanza),
        homepage = text_of(stanza, "Homepage") or null,
        synopsis = synopsis,
        description = description,
    }
end

-- "python3:any (>= 3.9~)" as a row; nil when it is something else.
local function target_row(text)
    local target, qualifier, rest = text:match("^%s*(%w[%w+.-]*):?([%w-]*)%s*(.*)$")
    if not target then
        return nil
    end
    local sign, version = null, null
    if rest ~= "" then
        sign, version = rest:match("^%(%s*([<=>]+)%s*([^%s()<=>]+)%s*%)%s*$")
        sign = comparisons[sign]
        if not sign then
            return nil
        end
    end
    return {
        target = target,
        qualifier = qualifier ~= "" and qualifier or null,
        comparison = sign,
        version = version,
    }
end

-- Adds the rows of one relationship field: names with commas between them, at each place
-- alternatives with bars.
local function add_dependencies(rows, source, stanza, kind)
    local place = 0
    for group in stanza[kind]:gmatch("[^,]+") do
        if group:find("%S") then -- a comma at the end is allowed
            place = place + 1
            local alternative = 0
            for text in group:gmatch("[^|]+") do
                local row = target_row(text)
                if not row then
                    control.fail(
                        source, stanza.at[kind], "%s has '%s'; expected a name like 'libc6 (>= 2.36)'",
                        kind, trim(text)
                    )
                end
                alternative = alternative + 1
                row.kind, row.place, row.alternative = kind, place, alternative
                rows[#rows + 1] = row
            end
        end
    end
end

local function dependency_rows(source, stanza)
    local rows = {}
    for _, kind in ipairs(relationships) do
        if stanza[kind] then
            add_dependencies(rows, source, stanza, kind)
        end
    end
    return rows
end

-- Names of tags, each once. "role::{program,shared-lib}" is a short form for two.
local function tag_names(stanza)
    local names, known = {}, {}
    local function add(name)
        if not known[name] then
            known[name] = true
            names[#names + 1] = name
        end
    end
    local text = stanza.Tag
    if not text then
        return names
    end
    for facet, list in text:gmatch("([^%s,{}]+::){([^{}]*)}") do
        for name in list:gmatch("[^%s,]+") do
            add(facet .. name)
        end
    end
    for name in text:gsub("[^%s,{}]+::{[^{}]*}", ""):gmatch("[^%s,]+") do
        add(name)
    end
    return names
end

---@class PackageFacts
---@field row table            of Package, without the keys of section and maintainer
---@field section string|nil
---@field maintainer { name: string, email: string }|nil
---@field dependencies table[] rows of Dependency, without package_id
---@field tags string[]

local function check_name(source, stanza)
    local name = text_of(stanza, "Package")
    if not name then
        if stanza.line == 1 then
            Failure.raise("%s is no package index: its first stanza has no field Package", source.name)
        end
        control.fail(source, stanza.line, "the stanza that begins here has no field Package")
    elseif not name:find("^%w[%w+.-]*$") then
        control.fail(source, stanza.at.Package, "'%s' is no name of a package", name)
    end
    stanza.Package = name
end

--- What a stanza says.
---@param source Source
---@param stanza Stanza
---@return PackageFacts
function package_fields.read(source, stanza)
    check_name(source, stanza)
    return {
        row = package_row(source, stanza),
        section = text_of(stanza, "Section"),
        maintainer = maintainer_of(stanza),
        dependencies = dependency_rows(source, stanza),
        tags = tag_names(stanza),
    }
end

--- The packages of an index, one by one.
---@param source Source
---@return fun(): PackageFacts|nil
function package_fields.packages(source)
    local next_stanza = control.stanzas(source, package_fields.names)
    return function()
        local stanza = next_stanza()
        return stanza and package_fields.read(source, stanza)
    end
end

return package_fields
