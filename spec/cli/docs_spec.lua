-- SPDX-License-Identifier: MIT
--
-- The manual is true: runs the blocks of docs/*.md and README.md and compares what they
-- print with what the pages say.
--
-- All `lua` blocks of a page are one script, which runs in a new folder on each engine
-- (```lua pg mysql: there only). `--> text` is a line that it prints, `...` in it is any
-- text, `--! kind: part` at the end of a line is the error that the line raises. A block
-- that begins with `-- path.lua` is that file instead. An `env` block is written to .env,
-- then the `$ ` lines of `sh` blocks run, in the order of the page.

local helper = require("spec.helper")
local host = require("eloquent.core.host")

local pages = { "README.md" }
for _, name in ipairs(host.list("docs")) do
    pages[#pages + 1] = name:find("%.md$") and "docs/" .. name or nil
end

-- {====== Reading a page ======

---@class docs.Block
---@field kind string     "lua", "sh", "env", "text"
---@field engines table   set of engines, nil for all
---@field line integer    of the fence
---@field lines string[]
---@field file string|nil path of a block that is a file

local function read_blocks(text)
    local blocks, block, number = {}, nil, 0
    for line in text:gmatch("([^\n]*)\n") do
        number = number + 1
        local info = line:match("^```(.*)$")
        if info and block then
            block.file = block.kind == "lua" and #block.lines > 0
                and block.lines[1]:match("^%-%- ([%w_./-]+%.lua)$") or nil
            blocks[#blocks + 1], block = block, nil
        elseif info then
            block = { kind = info:match("^%a*"), line = number, lines = {} }
            for engine in info:gmatch("%s(%a+)") do
                block.engines = block.engines or {}
                block.engines[engine] = true
            end
        elseif block then
            block.lines[#block.lines + 1] = line
        end
    end
    assert(not block, "a block is not closed")
    return blocks
end

local function load_page(path)
    local text = assert(helper.read(path), path .. " cannot be read")
    return { path = path, text = text, blocks = read_blocks(text) }
end

-- `...` is any text; a line of its own, any number of lines.
local function pattern_of(text)
    local pattern = text:gsub("[%^%$%(%)%%%.%[%]%*%+%-%?]", "%%%0")
    pattern = pattern:gsub("%%%.%%%.%%%.", ".-")
    return "^" .. pattern .. "$"
end

-- }======

-- {====== The script of a page ======

-- Stands on the first line, so that lines of the script are lines of the page.
local PRELUDE <const> = [[local docs_raises = function(line, fn) ]]
    .. [[local ok, err = pcall(fn) local is = type(err) == "table" and err.kind ]]
    .. [[print(ok and line .. " raises nothing" or "\2" .. (is and err.kind or "error") .. ": " ]]
    .. [[.. (is and err.message or tostring(err):gsub("^[^:]+:%d+: ", ""))) end ]]

-- The line as the script has it, and what it must print (nil: nothing).
local function compile_line(line, number)
    local code, output = line:match("^(.-)%-%-> ?(.*)$")
    if code then
        return code, { text = output, number = number }
    end
    local statement, failure = line:match("^(.-)%-%-! (.*)$")
    if statement then
        code = ("docs_raises(%d, function() %s end)"):format(number, statement)
        return code, { text = "\2" .. failure, number = number, open = true }
    end
    return line, nil
end

local function compile(blocks, engine)
    local script, expected = { PRELUDE }, {}
    for _, block in ipairs(blocks) do
        local meant = not block.engines or block.engines[engine]
        if block.kind == "lua" and not block.file and meant then
            script[block.line] = (script[block.line] or "") .. ('print("\\001%d")'):format(block.line)
            expected[#expected + 1] = { text = "\1" .. block.line, number = block.line }
            for i, line in ipairs(block.lines) do
                local number = block.line + i
                script[number], expected[#expected + 1] = compile_line(line, number)
            end
        end
    end
    local last = #blocks > 0 and blocks[#blocks].line + #blocks[#blocks].lines or 1
    for i = 1, last do
        script[i] = script[i] or ""
    end
    return table.concat(script, "\n"), expected
end

local function matches(found, wanted)
    local pattern = pattern_of(wanted.text)
    if wanted.open then
        pattern = pattern:gsub("%$$", "")
    end
    return found:gsub("%s+$", ""):find((pattern)) ~= nil
end

-- The first line that differs, or nil.
local function difference(output, expected)
    local i = 0
    for line in output:gmatch("([^\n]*)\n") do
        i = i + 1
        local wanted = expected[i]
        if not wanted then
            return ("after the end it printed: %s"):format(line)
        elseif not matches(line, wanted) then
            return ("line %d: the page says   %s\n          the program says %s"):format(
                wanted.number, wanted.text, line)
        end
    end
    if expected[i + 1] then
        return ("line %d: the page says   %s\n          the program printed nothing more"):format(
            expected[i + 1].number, expected[i + 1].text)
    end
end

local function check_output(page, result, expected)
    local problem = difference(result.stdout, expected)
    if problem or result.status ~= 0 then
        error(("%s, %s\n%s"):format(page.path, problem or "the script failed", result.stderr), 0)
    end
end

local function write_files(page, dir)
    for _, block in ipairs(page.blocks) do
        if block.file then
            helper.write(dir, block.file, table.concat(block.lines, "\n") .. "\n")
        end
    end
end

local function run_page(page, engine, env)
    local dir = helper.tmpdir()
    local script, expected = compile(page.blocks, engine)
    write_files(page, dir)
    helper.write(dir, page.path, script)
    check_output(page, helper.run({ "run", page.path }, { dir = dir, env = env }), expected)
end

-- }======

-- {====== Commands ======

-- One shell for a block: \1 and a number before what each command prints.
local function shell_of(block)
    local script, expected = { "exec 2>&1" }, {}
    for i, line in ipairs(block.lines) do
        local command = line:match("^%$ (.*)$")
        if command then
            script[#script + 1] = ("docs_status=$?; printf '\\001%d\\n'; (exit $docs_status)"):format(block.line + i)
            script[#script + 1] = command
            expected[#expected + 1] = { line = block.line + i, command = command, output = {} }
        elseif #expected > 0 then
            table.insert(expected[#expected].output, line)
        end
    end
    return table.concat(script, "\n"), expected
end

local function check_command(page, wanted, found)
    local pattern = pattern_of((table.concat(wanted.output, "\n")))
    if not (found:gsub("%s+$", "")):find(pattern) then
        error(("%s:%d: $ %s\nthe page says\n%s\nthe program says\n%s"):format(page.path, wanted.line, wanted.command,
            table.concat(wanted.output, "\n"), found), 0)
    end
end

local function run_commands(page, block, dir)
    local script, expected = shell_of(block)
    if #expected == 0 then
        return
    end
    local path = dir .. "/.bin:" .. os.getenv("PATH")
    local result = helper.shell(script, { dir = dir, env = { PATH = path } })
    local number = 0
    for line, output in result.stdout:gmatch("\1(%d+)\n([^\1]*)") do
        number = number + 1
        assert.equal(tostring(expected[number].line), line)
        check_command(page, expected[number], output)
    end
    assert.equal(#expected, number, page.path .. ": not every command ran")
end

local function check_env(page, block, dir)
    helper.write(dir, ".env", table.concat(block.lines, "\n") .. "\n")
    local result = helper.run({ "doctor", "--json" }, { dir = dir })
    local report = require("eloquent.core.json").decode(result.stdout)
    assert.is_nil(report.env_file.error, ("%s:%d"):format(page.path, block.line))
end

local function follow(page)
    local dir = helper.tmpdir()
    for _, name in ipairs({ "/.bin", "/build/release" }) do
        host.mkdirs(dir .. name)
        helper.shell("ln -s " .. helper.quote(helper.binary()) .. " " .. helper.quote(dir .. name .. "/eloquent"))
    end
    for _, block in ipairs(page.blocks) do
        if block.file then
            helper.write(dir, block.file, table.concat(block.lines, "\n") .. "\n")
        elseif block.kind == "env" then
            check_env(page, block, dir)
        elseif block.kind == "sh" then
            run_commands(page, block, dir)
        end
    end
end

-- Scripts that a page runs by `$ eloquent run FILE` do the same on the servers.
local function scripts_of(page)
    local commands = {}
    for _, block in ipairs(page.blocks) do
        if block.kind == "env" then
            return {} -- its commands are about settings
        elseif block.kind == "sh" then
            for _, wanted in ipairs(select(2, shell_of(block))) do
                local file = wanted.command:match("^[%w/]*eloquent run (%S+)$")
                if file and not table.concat(wanted.output, "\n"):find("on sqlite", 1, true) then
                    commands[#commands + 1] = { file = file, wanted = wanted }
                end
            end
        end
    end
    return commands
end

local function run_scripts(page, env)
    local dir = helper.tmpdir()
    write_files(page, dir)
    for _, command in ipairs(scripts_of(page)) do
        local result = helper.run({ "run", command.file }, { dir = dir, env = env })
        check_command(page, command.wanted, result.stdout .. result.stderr)
    end
end

-- }======

-- {====== Servers ======

local DATABASE <const> = "eloquent_docs"

-- An empty database; returns the variables that lead to it.
local function new_database(engine)
    local env = helper.servers(engine)
    local code = ("local db = require('eloquent').connection()\n"
        .. "db:execute('drop database if exists %s')\ndb:execute('create database %s')\n"):format(DATABASE, DATABASE)
    local result = helper.run_code(code, { env = env })
    assert(result.status == 0, result.stderr)
    env[engine == "pg" and "PG_NAME" or "DB_NAME"] = DATABASE
    return env
end

-- }======

-- {====== Links ======

-- The anchor of a heading, as the page is shown.
local function anchor_of(heading)
    local text = heading:lower():gsub("`", ""):gsub("[^%w%s_-]", ""):gsub("%s", "-")
    return text
end

local function anchors_of(path)
    local anchors, in_block = {}, false
    for line in helper.read(path):gmatch("[^\n]*") do
        in_block = in_block ~= (line:find("^```") ~= nil)
        local heading = not in_block and line:match("^#+ (.+)$")
        if heading then
            anchors[anchor_of(heading)] = true
        end
    end
    return anchors
end

local function check_links(page)
    local folder = page.path:match("^(.*/)") or ""
    local prose = page.text:gsub("\n```.-\n```", "")
    for target in prose:gmatch("%]%(([^%)]+)%)") do
        if not target:find("^%a+://") then
            local file, anchor = target:match("^([^#]*)#?(.*)$")
            local path = file == "" and page.path or folder .. file
            assert(host.exists(path), ("%s links to %s, which is not there"):format(page.path, target))
            if anchor ~= "" then
                assert(anchors_of(path)[anchor], ("%s links to %s: no such heading"):format(page.path, target))
            end
        end
    end
end

-- }======

-- Pages with blocks for MongoDB run there, too, in a database that is empty.
local function is_on_mongo(page)
    for _, block in ipairs(page.blocks) do
        if block.engines and block.engines.mongo then
            return true
        end
    end
    return false
end

local function empty_mongo()
    local env = helper.servers("mongo")
    env.MONGO_DB = DATABASE
    local result = helper.run_code("require('eloquent').connection():command{ dropDatabase = 1 }", { env = env })
    assert(result.status == 0, result.stderr)
    return env
end

for _, path in ipairs(pages) do
    describe(path .. ":", function()
        local page = load_page(path)

        if is_on_mongo(page) then
            it("its examples on mongo", function()
                run_page(page, "mongo", empty_mongo())
            end)
        end

        it("its examples on sqlite", function()
            run_page(page, "sqlite", {})
        end)

        for _, engine in ipairs({ "pg", "mysql" }) do
            it("its examples on " .. engine, function()
                run_page(page, engine, new_database(engine))
                run_scripts(page, new_database(engine))
            end)
        end

        it("its commands", function()
            follow(page)
        end)

        it("its links", function()
            check_links(page)
        end)
    end)
end

describe("docs/connections.md", function()
    -- Roles and twins have names made by rule; these are the names of the rule's parts.
    local function base_name(name)
        return name:gsub("_TEST_", "_"):gsub("_RUNTIME_", "_"):gsub("_MIGRATION_", "_")
    end

    local function names_in(text)
        local names = {}
        for name in text:gmatch("%f[%w_][A-Z][A-Z0-9_]*_[A-Z0-9_]+%f[^%w_]") do
            names[base_name(name)] = true
        end
        return names
    end

    it("explains every variable of .env.example", function()
        local explained = names_in(helper.read("docs/connections.md"))
        for line in helper.read(".env.example"):gmatch("[^\n]+") do
            local name = line:match("^#?([A-Z][A-Z0-9_]+)=")
            assert(not name or explained[base_name(name)], tostring(name) .. " is not explained")
        end
    end)
end)

describe("docs/models.md", function()
    -- The type of a column as an engine's CREATE TABLE has it.
    local function type_in(engine, name)
        local builder = require("eloquent.schema.builder")
        local schema, operations = builder.recorder()
        schema:create("t", function(t)
            local column = t[name](t, "c", name == "enum" and { "a", "b" } or nil)
            if not name:find("ncrements$") then
                column:nullable()
            end
        end)
        local sql = builder.compile(engine, operations)[1]:match("%([\n ]+.c. ([^\n]*)")
        for _, rest in ipairs({ " NOT NULL.*", " NULL.*", " GENERATED.*", " PRIMARY KEY.*" }) do
            sql = sql:gsub(rest, "")
        end
        return sql
    end

    it("says what each type is called in each engine", function()
        local text, count = helper.read("docs/models.md"), 0
        for name, sqlite, pg, mysql in text:gmatch("\n| `(%a+)` | `([^`]+)` | `([^`]+)` | `([^`]+)` |") do
            count = count + 1
            assert.same({ name, type_in("sqlite", name), type_in("pg", name), type_in("mysql", name) },
                { name, sqlite, pg, mysql })
        end
        -- but for timestamps and softDeletes, which are several columns, and MongoDB's objectId
        assert.equal(#require("eloquent.schema.types").names() - 3, count)
    end)
end)

describe("docs/README.md", function()
    it("names every page", function()
        local index = helper.read("docs/README.md")
        for _, path in ipairs(pages) do
            local name = path:match("^docs/(.*)$")
            assert(not name or name == "README.md" or index:find("(" .. name .. ")", 1, true), path)
        end
    end)
end)
