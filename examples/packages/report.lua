-- SPDX-License-Identifier: MIT
--
-- What the tables say about the packages, as text on standard output. The text is the same
-- on every engine: rows that count the same are put in order here, by bytes, because each
-- database sorts text in its own way.
local eloquent = require("eloquent")
local models = require("models")
local numbers = require("numbers")
local text_table = require("text_table")

local Package, Dependency, Maintainer = models.Package, models.Dependency, models.Maintainer

local titles <const> = { sqlite = "SQLite", pg = "PostgreSQL", mysql = "MySQL/MariaDB" }

local report = {}

-- The groups of a query with the highest counts: at most `n`, most first. The database
-- sorts by the count only, so all groups that count as much as the last one are read.
local function leaders(query, count, n)
    query:selectRaw(count .. " as packages")
    local last = query:clone():orderByRaw(count .. " desc"):offset(n - 1):first()
    if last then
        query:havingRaw(count .. " >= ?", { last.packages })
    end
    local rows = query:get():map(function(row)
        return row:toTable()
    end)
    table.sort(rows, function(a, b)
        if a.packages ~= b.packages then
            return a.packages > b.packages
        elseif a.name ~= b.name then
            return a.name < b.name
        end
        return (a.email or "") < (b.email or "")
    end)
    return table.move(rows, 1, math.min(n, #rows), 1, {})
end

local function totals()
    local rows = {
        { "packages", numbers.grouped(Package:count()) },
        { "maintainers", numbers.grouped(Maintainer:count()) },
        { "sections", numbers.grouped(models.Section:count()) },
        { "dependencies", numbers.grouped(Dependency:count()) },
        { "tags", numbers.grouped(models.Tag:count()) },
        { "installed size", numbers.size(Package:sum("installed_size")) },
    }
    return text_table.format({ "total", ">" }, rows)
end

--- Packages that most others need. A package that names another one several times (as
--- alternatives, or for a range of versions) counts once.
local function most_needed(n)
    local needs = Dependency:select("target as name")
        :whereIn("kind", { "Pre-Depends", "Depends" })
        :groupBy("target")
    local rows = {}
    for i, row in ipairs(leaders(needs, "count(distinct package_id)", n)) do
        rows[i] = { row.name, numbers.grouped(row.packages) }
    end
    return text_table.format({ "most depended upon", ">packages" }, rows)
end

local function busiest_maintainers(n)
    local maintainers = Maintainer:select("maintainers.name", "maintainers.email")
        :join("packages", "packages.maintainer_id", "maintainers.id")
        :groupBy("maintainers.id", "maintainers.name", "maintainers.email")
    local rows = {}
    for i, row in ipairs(leaders(maintainers, "count(*)", n)) do
        rows[i] = { row.name, row.email, numbers.grouped(row.packages) }
    end
    return text_table.format({ "maintainer", "e-mail", ">packages" }, rows)
end

-- Here SQL says it more clearly than verbs would.
local section_sizes <const> = [[
SELECT coalesce(sections.name, '(none)') AS name,
       count(*) AS packages,
       coalesce(sum(packages.installed_size), 0) AS size
  FROM packages LEFT JOIN sections ON sections.id = packages.section_id
 GROUP BY sections.name
]]

local function sizes_by_section()
    local sections = eloquent.connection():select(section_sizes):map(function(row)
        -- A sum is a decimal where the engine calculates it as one.
        return { name = row.name, packages = row.packages, size = tonumber(tostring(row.size)) }
    end)
    table.sort(sections, function(a, b)
        if a.size ~= b.size then
            return a.size > b.size
        end
        return a.name < b.name
    end)
    local rows = {}
    for i, section in ipairs(sections) do
        rows[i] = { section.name, numbers.grouped(section.packages), numbers.size(section.size) }
    end
    return text_table.format({ "section", ">packages", ">size" }, rows)
end

--- Prints the report.
---@param top integer  how many packages and maintainers the lists have
function report.print(top)
    print("Debian packages in " .. titles[eloquent.connection().driver] .. "\n")
    print(totals())
    print(most_needed(top))
    print(busiest_maintainers(top))
    io.write(sizes_by_section())
end

return report
