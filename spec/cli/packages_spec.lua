-- SPDX-License-Identifier: MIT
--
-- examples/packages as its user runs it, on each engine: what it loads and reports, that a
-- second run changes nothing, and what it says about an index that it can't take.

local helper = require("spec.helper")
local host = require("eloquent.core.host")

local MAIN <const> = host.realpath("examples/packages/main.lua")

-- Folded fields, alternatives, ranges, an architecture qualifier, old signs, a trailing
-- comma, short tags, no section, no maintainer, no e-mail, text beyond ASCII, one name in
-- two versions and for two architectures, a stanza that is there twice, a CR, no newline
-- at the end.
local INDEX <const> = [[
Package: alpha
Status: install ok installed
Priority: required
Section: libs
Installed-Size: 2048
Maintainer: Łukasz Ångström <lukasz@example.org>
Architecture: amd64
Source: alpha-src (1.0-0)
Version: 1.0-1
Replaces: alpha-old (<< 0.9)
Depends: gamma (>= 1:2.0~), gamma (<= 3),
 beta | delta:any (= 4) | gamma,
Pre-Depends: beta
Description: first package – with a dash
 The long part
 .
  indented
Homepage: https://example.org/alpha
Tag: role::program,
 implemented-in::{c,lua}, role::program
X-Unknown: is left out
 with its continued lines

Package: alpha
Version: 1.0-1
Architecture: i386
Section: libs
Maintainer: Łukasz Ångström <lukasz@example.org>
Installed-Size: 1024
Depends: gamma (> 2)
Tag: role::program


Package: alpha
Version: 1.1-1
Architecture: amd64
Section: libs
Maintainer: Nobody's Team

Package: beta
Version: 2
Architecture: all
Section: doc
Maintainer: Łukasz Ångström <other@example.org>
Depends: gamma
Suggests: alpha
Description: second

Package: gamma
Status: deinstall ok config-files

Package: beta
Version: 2
Architecture: all
Description: again

Package: omega
Version: 9
Architecture: all
Section: doc
Installed-Size: 5]]

local REPORT <const> = [[
Debian packages in %s

total
--------------  -------
packages              6
maintainers           3
sections              2
dependencies         10
tags                  3
installed size  3.0 MiB

most depended upon  packages
------------------  --------
gamma                      3
beta                       1
delta                      1

maintainer       e-mail              packages
---------------  ------------------  --------
Łukasz Ångström  lukasz@example.org         2
Nobody's Team                               1
Łukasz Ångström  other@example.org          1

section  packages     size
-------  --------  -------
libs            3  3.0 MiB
doc             2    5 KiB
(none)          1    0 KiB
]]

local DUMP <const> = [[
local db = require("eloquent").connection()
local function show(sql)
    for row in db:cursor(sql) do
        local cells = {}
        for i, name in ipairs({ "a", "b", "c", "d", "e", "f", "g" }) do
            cells[i] = tostring(row[name])
        end
        print(table.concat(cells, "|"))
    end
end
show("SELECT kind AS a, place AS b, alternative AS c, target AS d, qualifier AS e, comparison AS f, "
    .. "d.version AS g FROM dependencies d JOIN packages p ON p.id = d.package_id "
    .. "WHERE p.name = 'alpha' ORDER BY d.id")
show("SELECT p.version AS a, architecture AS b, t.name AS c, NULL AS d, NULL AS e, NULL AS f, NULL AS g "
    .. "FROM packages p JOIN package_tag x ON x.package_id = p.id JOIN tags t ON t.id = x.tag_id "
    .. "ORDER BY p.id, t.id")
show("SELECT version AS a, source AS b, priority AS c, status AS d, installed_size AS e, "
    .. "synopsis AS f, description AS g FROM packages ORDER BY id")
]]

local ROWS <const> = [[
Pre-Depends|1|1|beta|nil|nil|nil
Depends|1|1|gamma|nil|>=|1:2.0~
Depends|2|1|gamma|nil|<=|3
Depends|3|1|beta|nil|nil|nil
Depends|3|2|delta|any|=|4
Depends|3|3|gamma|nil|nil|nil
Replaces|1|1|alpha-old|nil|<<|0.9
Depends|1|1|gamma|nil|>=|2
1.0-1|amd64|implemented-in::c|nil|nil|nil|nil
1.0-1|amd64|implemented-in::lua|nil|nil|nil|nil
1.0-1|amd64|role::program|nil|nil|nil|nil
1.0-1|i386|role::program|nil|nil|nil|nil
1.0-1|alpha-src|required|install ok installed|2048|first package – with a dash|The long part

 indented
1.0-1|alpha|nil|nil|1024|nil|nil
1.1-1|alpha|nil|nil|nil|nil|nil
2|beta|nil|nil|nil|second|nil
|gamma|nil|deinstall ok config-files|nil|nil|nil
9|omega|nil|nil|5|nil|nil
]]

local CLEAN <const> = [[
local schema = require("eloquent").schema()
for _, name in ipairs({ "package_tag", "tags", "dependencies", "packages", "maintainers", "sections" }) do
    schema:dropIfExists(name)
end
]]

local engines <const> = {
    { title = "SQLite", env = function() return {} end },
    { title = "PostgreSQL", env = function() return helper.servers("pg") end },
    { title = "MySQL/MariaDB", env = function() return helper.servers("mysql") end },
}

-- Text without what time it took.
local function untimed(text)
    return (text:gsub("%d+%.%d s", "0.0 s"))
end

for _, engine in ipairs(engines) do
    describe("examples/packages on " .. engine.title, function()
        local dir, env

        -- Runs the example; `index` is the text of the file Packages, unless it's there.
        local function packages(args, index)
            if index then
                helper.write(dir, "Packages", index)
            end
            return helper.run({ "run", MAIN, table.unpack(args) }, { dir = dir, env = env })
        end

        local function load(index)
            return packages({ "Packages" }, index)
        end

        before_each(function()
            dir, env = helper.tmpdir(), engine.env()
            assert.equal(0, helper.run_code(CLEAN, { dir = dir, env = env }).status)
        end)

        after_each(function()
            helper.run_code(CLEAN, { dir = dir, env = env })
        end)

        it("loads an index and reports on it", function()
            local r = load(INDEX)
            assert.equal(REPORT:format(engine.title), r.stdout)
            assert.equal(
                "6 packages read in 0.0 s\n"
                    .. "  packages          6 inserted\n"
                    .. "  maintainers       3 inserted\n"
                    .. "  sections          2 inserted\n"
                    .. "  dependencies      10 inserted\n"
                    .. "  tags              3 inserted\n"
                    .. "  tags of packages  4 inserted\n"
                    .. "1 repeated stanza left out\n\n",
                untimed(r.stderr)
            )
            assert.equal(0, r.status)
            r = helper.run_code(DUMP, { dir = dir, env = env })
            assert.same({ status = 0, stdout = ROWS, stderr = "" }, r)
        end)

        it("changes nothing in a second run, and says so", function()
            load(INDEX)
            local before = helper.run_code(DUMP, { dir = dir, env = env }).stdout
            local r = load()
            assert.equal("6 packages read in 0.0 s; nothing changed\n1 repeated stanza left out\n\n", untimed(r.stderr))
            assert.equal(REPORT:format(engine.title), r.stdout)
            assert.equal(0, r.status)
            assert.equal(before, helper.run_code(DUMP, { dir = dir, env = env }).stdout)
        end)

        it("takes the same index with CR LF for the same", function()
            load(INDEX)
            assert.matches("; nothing changed\n", load(INDEX:gsub("\n", "\r\n")).stderr, 1, true)
        end)

        it("writes only what differs in a changed index", function()
            load(INDEX)
            local changed = INDEX:gsub("Depends: gamma %(>= 1:2.0~%)", "Depends: gamma (>= 1:2.5)")
                :gsub(",\n beta | delta:any %(= 4%) | gamma,", "")
                :gsub("implemented%-in::{c,lua}", "implemented-in::c")
                :gsub("Description: second", "Description: other")
                :gsub("Package: omega\nVersion: 9", "Package: omega\nVersion: 10")
                :gsub("Maintainer: Nobody's Team", "Maintainer: Somebody's Team <team@example.org>")
            local r = load(changed)
            assert.equal(
                "6 packages read in 0.0 s\n"
                    .. "  packages          1 inserted, 2 updated, 1 deleted\n"
                    .. "  maintainers       1 inserted, 1 deleted\n"
                    .. "  dependencies      1 updated, 3 deleted\n"
                    .. "  tags              1 deleted\n"
                    .. "  tags of packages  1 deleted\n"
                    .. "1 repeated stanza left out\n\n",
                untimed(r.stderr)
            )
            assert.matches("dependencies%s+7\n", r.stdout)
            assert.matches("Somebody's Team%s+team@example.org%s+1\n", r.stdout)
            assert.matches("; nothing changed\n", load().stderr, 1, true)
            -- Whatever way there, the report is that of a fresh load.
            helper.run_code(CLEAN, { dir = dir, env = env })
            assert.equal(r.stdout, load().stdout)
        end)

        it("deletes packages that vanished, with all that only they had", function()
            load(INDEX)
            local r = load("Package: omega\nVersion: 9\nArchitecture: all\nSection: doc\nInstalled-Size: 5\n")
            assert.equal(
                "1 package read in 0.0 s\n"
                    .. "  packages          5 deleted\n"
                    .. "  maintainers       3 deleted\n"
                    .. "  sections          1 deleted\n"
                    .. "  dependencies      10 deleted\n"
                    .. "  tags              3 deleted\n"
                    .. "  tags of packages  4 deleted\n\n",
                untimed(r.stderr)
            )
        end)

        it("loads all or nothing: a malformed stanza changes no row", function()
            load(INDEX)
            local good = packages({ "--report" }).stdout
            -- More than a batch goes before it, so that rows have been written by then.
            local stanzas = {}
            for i = 1, 1200 do
                stanzas[i] = ("Package: p%d\nVersion: 1\nArchitecture: all\nDepends: p%d\n"):format(i, i + 1)
            end
            local r = load(table.concat(stanzas, "\n") .. "\nPackage: broken\nDepends: one two\n")
            assert.equal(
                "error: Packages:6002: Depends has 'one two'; expected a name like 'libc6 (>= 2.36)'\n",
                r.stderr
            )
            assert.equal("", r.stdout)
            assert.equal(1, r.status)
            assert.equal(good, packages({ "--report" }).stdout)
        end)

        it("loads more than one batch", function()
            local stanzas = {}
            for i = 1, 1200 do
                stanzas[i] = ("Package: p%d\nVersion: 1\nArchitecture: all\nDepends: p%d\n"):format(i, i // 400)
            end
            local r = load(table.concat(stanzas, "\n"))
            assert.matches("packages%s+1,200 inserted", r.stderr)
            assert.matches("p1 +400\np2 +400\np0 +399\np3 +1\n", r.stdout)
            assert.matches("; nothing changed\n", load().stderr, 1, true)
        end)

        it("refuses an index without packages", function()
            load(INDEX)
            local good = packages({ "--report" }).stdout
            for _, text in ipairs({ "", "\n\n" }) do
                local r = load(text)
                assert.equal("error: Packages has no packages; nothing was changed\n", r.stderr)
                assert.equal(1, r.status)
            end
            assert.equal(good, packages({ "--report" }).stdout)
        end)

        it("reports as many as --top says", function()
            local r = packages({ "--top", "1", "Packages" }, INDEX)
            assert.matches("\ngamma +3\n\nmaintainer", r.stdout)
            assert.matches("\nŁukasz Ångström +lukasz@example.org +2\n\nsection", r.stdout)
        end)
    end)
end

describe("examples/packages", function()
    local dir

    local function packages(args, options)
        options = options or {}
        options.dir = dir
        return helper.run({ "run", MAIN, table.unpack(args) }, options)
    end

    before_each(function()
        dir = helper.tmpdir()
    end)

    it("unpacks a compressed index", function()
        helper.write(dir, "Packages", INDEX)
        helper.shell("gzip Packages", { dir = dir })
        local r = packages({ "Packages.gz" })
        assert.equal(REPORT:format("SQLite"), r.stdout)
    end)

    it("notices that a compressed index is cut short", function()
        helper.write(dir, "Packages", INDEX)
        helper.shell("gzip -c Packages | head -c 300 >cut.gz", { dir = dir })
        local r = packages({ "cut.gz" })
        assert.equal(1, r.status)
        assert.matches("error: cut.gz", r.stderr, 1, true)
        assert.equal("", r.stdout)
        assert.matches("packages +0\n", packages({ "--report" }).stdout)
    end)

    it("names the program that a compressed index needs", function()
        helper.write(dir, "Packages.lz4", "")
        local words = { "PATH=/nowhere exec", helper.quote(helper.binary()), "run", helper.quote(MAIN), "Packages.lz4" }
        local r = helper.shell(table.concat(words, " "), { dir = dir })
        assert.same({
            status = 1,
            stdout = "",
            stderr = "error: Packages.lz4 needs the program lz4 to unpack it, which is not installed\n",
        }, r)
    end)

    it("reads standard input", function()
        local r = packages({ "-" }, { input = INDEX })
        assert.equal(REPORT:format("SQLite"), r.stdout)
    end)

    it("says what is wrong with an index, and where", function()
        local cases = {
            { "hello\n", "Packages:1: expected a line like 'Field: value', found 'hello'" },
            { "\0\1\2\n", "Packages:1: expected a line like 'Field: value', found bytes that are no text" },
            { "Name: x\n", "Packages is no package index: its first stanza has no field Package" },
            { "Package: x\n\nVersion: 1\n", "Packages:3: the stanza that begins here has no field Package" },
            { "\n folded\n", "Packages:2: a continued line, and there is no field that it continues" },
            { "Package: x\nPackage: y\n", "Packages:2: the field Package is here twice" },
            { "Package: a b\n", "Packages:1: 'a b' is no name of a package" },
            { "Package: x\nMaintainer: \xe9\n", "Packages:2: the text is not UTF-8" },
            { "Package: x\nTag: a\0b\n", "Packages:2: the text is not UTF-8" },
            { "Package: x\nInstalled-Size: 1 MB\n", "Packages:2: Installed-Size is a number of KiB, found '1 MB'" },
            { "Package: x\n\nPackage: y\nBreaks: a,\n b (>> )\n",
                "Packages:4: Breaks has 'b (>> )'; expected a name like 'libc6 (>= 2.36)'" },
        }
        for _, case in ipairs(cases) do
            helper.write(dir, "Packages", case[1])
            local r = packages({ "Packages" })
            assert.same({ status = 1, stdout = "", stderr = "error: " .. case[2] .. "\n" }, r)
        end
    end)

    it("says which file it can't read", function()
        assert.equal("error: cannot read nowhere: No such file or directory\n", packages({ "nowhere" }).stderr)
        assert.equal("error: cannot read .: Is a directory\n", packages({ "." }).stderr)
    end)

    it("has nothing to report before the first load", function()
        local r = packages({ "--report" })
        assert.same({
            status = 1,
            stdout = "",
            stderr = "error: nothing is loaded yet; run it without --report first\n",
        }, r)
    end)

    it("refuses arguments that it doesn't know", function()
        for _, args in ipairs({
            { "--nothing" }, { "a", "b" }, { "--report", "a" }, { "--top" }, { "--top", "0" }, { "--top=x" },
        }) do
            local r = packages(args)
            assert.equal(2, r.status)
            assert.equal("", r.stdout)
            assert.matches("^error: [^\n]+\nTry %-%-help%.\n$", r.stderr)
        end
        assert.matches("^usage: ", packages({ "--help" }).stdout)
    end)

    it("tells a database that is down from a mistake in the index", function()
        local down = { DB_CONNECTION = "pg", PG_HOST = "127.0.0.1", PG_PORT = "1" }
        local r = packages({ "-" }, { input = INDEX, env = down })
        assert.equal(4, r.status)
        assert.matches("^error: cannot connect to PostgreSQL at 127%.0%.0%.1:1", r.stderr)
    end)
end)
