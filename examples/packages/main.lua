#!/usr/bin/env eloquent
-- SPDX-License-Identifier: MIT
--
-- Loads a Debian package index into the database that .env names, and prints a report on
-- it. Begin to read here: load.lua and report.lua do the work, models/ says what is kept.
local Failure = require("failure")
local numbers = require("numbers")

local HELP <const> = [[
usage: eloquent run examples/packages/main.lua [options] [FILE]

  eloquent run examples/packages/main.lua               this machine's packages
  eloquent run examples/packages/main.lua Packages.xz   those of a downloaded index
  lz4 -dc Packages.lz4 | eloquent run examples/packages/main.lua -
  eloquent run examples/packages/main.lua --report      no loading, only the report

FILE is a Packages file of an archive, or a status file of dpkg; /var/lib/dpkg/status when
none is named, standard input for "-". Files that end in .gz .xz .lz4 .zst .bz2 are unpacked.

  --report    report on what is loaded already
  --top N     how many packages and maintainers the report lists (10)
  --help      this text

The database is the one of DB_CONNECTION: sqlite (without any setting), pg or mysql.
]]

local function fail_usage(message, ...)
    io.stderr:write("error: ", message:format(...), "\nTry --help.\n")
    os.exit(2, true)
end

local function top_of(text)
    local n = math.tointeger(text or "")
    if not n or n < 1 then
        fail_usage("--top takes a whole number from 1 on, found %s", text or "nothing")
    end
    return n
end

local function read_arguments(words)
    local options, i = { top = 10 }, 1
    while words[i] do
        local word = words[i]
        if word == "--help" or word == "-h" then
            io.write(HELP)
            os.exit(0, true)
        elseif word == "--report" then
            options.report = true
        elseif word == "--top" or word:find("^%-%-top=") then
            options.top = top_of(word:match("=(.*)$") or words[i + 1])
            i = word == "--top" and i + 1 or i
        elseif word:find("^%-.") then
            fail_usage("there is no option %s", word)
        elseif options.file then
            fail_usage("one index at a time: found %s and %s", options.file, word)
        else
            options.file = word
        end
        i = i + 1
    end
    if options.report and options.file then
        fail_usage("--report loads nothing; leave out %s", options.file)
    end
    return options
end

local nouns <const> = {
    { "Package", "packages" }, { "Maintainer", "maintainers" }, { "Section", "sections" },
    { "Dependency", "dependencies" }, { "Tag", "tags" }, { "PackageTag", "tags of packages" },
}

-- "3 inserted, 1 deleted"; empty when nothing changed.
local function told_changes(changes)
    local parts = {}
    for _, what in ipairs({ "inserted", "updated", "deleted" }) do
        if changes[what] > 0 then
            parts[#parts + 1] = numbers.grouped(changes[what]) .. " " .. what
        end
    end
    return table.concat(parts, ", ")
end

-- Says on standard error what loading did.
local function tell(loaded, seconds)
    local lines = {}
    for _, noun in ipairs(nouns) do
        local text = told_changes(loaded.changes[noun[1]])
        if text ~= "" then
            lines[#lines + 1] = ("  %-16s  %s\n"):format(noun[2], text)
        end
    end
    io.stderr:write(
        ("%s read in %.1f s"):format(numbers.count(loaded.packages, "package"), seconds),
        lines[1] and "\n" or "; nothing changed\n",
        table.concat(lines)
    )
    if loaded.repeated > 0 then
        io.stderr:write(numbers.count(loaded.repeated, "repeated stanza"), " left out\n")
    end
    io.stderr:write("\n")
end

local function load_index(path)
    local eloquent = require("eloquent")
    local source <const> = require("source").open(path)
    local progress <close> = require("progress").new()
    local begun = eloquent.clock()
    require("models").create_tables()
    local loaded = require("load")(source, progress)
    progress:done()
    tell(loaded, eloquent.clock() - begun)
end

local function main(options)
    if not options.report then
        load_index(options.file or "/var/lib/dpkg/status")
    elseif not require("models").have_tables() then
        Failure.raise("nothing is loaded yet; run it without --report first")
    end
    require("report").print(options.top)
end

local ok, problem = pcall(main, read_arguments(arg))
if not ok then
    local message = Failure.message_of(problem)
    if not message then
        error(problem, 0) -- a database that is down, say: the program shows it
    end
    io.stderr:write("error: ", message, "\n")
    os.exit(1, true)
end
