-- SPDX-License-Identifier: MIT
--
-- env_spec.lua - `.env` and what the program makes of it; the grammar has a C spec.

local helper = require("spec.helper")

local show = [[
local env = require("eloquent.core.env")
local c = env.connection("pg_test")
print(c.name, c.driver, c.kind, c.test, c.target)
local keys = {}
for key in pairs(c.options) do
    keys[#keys + 1] = key
end
table.sort(keys)
for _, key in ipairs(keys) do
    print(key, c.secret[key] and "secret" or c.options[key], c.sources[key])
end
]]

local function run(code, dotenv, env)
    local dir = helper.tmpdir()
    if dotenv then
        helper.write(dir, ".env", dotenv)
    end
    return helper.run_code(code, { dir = dir, env = env })
end

describe(".env", function()
    it("is read before the script: os.getenv sees it", function()
        local r = run(
            'print(os.getenv("A"), os.getenv("B"), os.getenv("C"))',
            "export A = 'x y' # comment\nB=${A}!\nC=file\n",
            { C = "process" }
        )
        assert.same({ status = 0, stdout = "x y\tx y!\tprocess\n", stderr = "" }, r)
    end)

    it("is refused with file and line, and without what stands there", function()
        for _, text in ipairs({
            "A=1\ns3cr3t\n", 'A=1\nB="s3cr3t\n', "A=1\nB='s3cr3t\nC=2\n", "A=1\nB-C=s3cr3t\n",
            "A=1\nB=s3cr3t\0\n", "A=1\nB\0=s3cr3t\n", "A=1\n\0s3cr3t\nB=1\n", "A=1\n=s3cr3t\n",
        }) do
            local r = run("print(1)", text)
            assert.equal(1, r.status)
            assert.equal("", r.stdout)
            assert.matches(".env, line 2: ", r.stderr, 1, true)
            assert.not_matches("s3cr3t", r.stderr)
        end
    end)

    it("has an example whose connections are the defaults", function()
        local file <close> = assert(io.open(".env.example"))
        local example = file:read("a")
        local code = [[
            local env = require("eloquent.core.env")
            print(env.default(), env.default(true), env.app(), env.role(), #env.ignored())
            for _, name in ipairs(env.names()) do
                print(env.connection(name).target)
            end
        ]]
        local plain = run(code)
        assert.equal(0, plain.status)
        assert.same(plain, run(code, example))
        local all = example:gsub("\n#(%u[%u_]*=)", "\n%1")
        assert.equal(0, run(code, all).status)
    end)

    it("has an example that names every variable", function()
        local file <close> = assert(io.open(".env.example"))
        local example = "\n" .. file:read("a")
        for name in ("DB_CONNECTION DB_TEST_CONNECTION ELOQUENT_DB_ROLE APP_ENV DB_HOST DB_PORT DB_USER "
            .. "DB_PASSWORD DB_NAME DB_SOCKET PG_HOST PG_PORT PG_USER PG_PASSWORD PG_NAME SQLITE_PATH "
            .. "SQLITE_JOURNAL_MODE SQLITE_SYNCHRONOUS SQLITE_BUSY_TIMEOUT SQLITE_FOREIGN_KEYS MONGO_URI "
            .. "MONGO_DB SQLITE_TEST_PATH MONGO_TEST_URI MONGO_TEST_DB DB_SSL_MODE DB_SSL_CA PG_SSLMODE "
            .. "PG_SSLROOTCERT NO_COLOR"):gmatch("%S+") do
            assert(example:find("\n#?" .. name .. "="), name)
        end
    end)
end)

describe("a resolved connection", function()
    it("has options with the variable that each came from", function()
        local r = run(show, "PG_HOST=db\nPG_PASSWORD=s3cr3t\nPG_NAME=shop\nPG_TEST_USER=tester\n")
        assert.equal("", r.stderr)
        assert.equal(
            "pg_test\tpg\tsql\ttrue\tdb:5432/shop_test\n"
                .. "host\tdb\tPG_HOST\nname\tshop_test\tPG_NAME with _test\n"
                .. "password\tsecret\tPG_PASSWORD\nport\t5432\tdefault\nuser\ttester\tPG_TEST_USER\n",
            r.stdout
        )
    end)

    it("names the variable whose value its driver does not take", function()
        local open = 'require("eloquent").connection(arg[1] or "%s"):ping()'
        for _, case in ipairs({
            { "pg", "PG_PORT=abc", "PG_PORT is \"abc\"; a port is a whole number from 1 to 65535" },
            { "mysql", "DB_PORT=70000", "DB_PORT is \"70000\"; a port is a whole number from 1 to 65535" },
            { "mysql", "DB_CONNECT_TIMEOUT=soon", "DB_CONNECT_TIMEOUT is 'soon'; it takes a whole number" },
            { "mysql", "DB_SSL_MODE=on", "DB_SSL_MODE is 'on'; it takes one of disabled, preferred" },
            { "pg", "PG_CONNECT_TIMEOUT=soon", "PG_CONNECT_TIMEOUT is 'soon'; it takes a whole number" },
            { "pg", "PG_SSLMODE=required", "PG_SSLMODE is 'required'; it takes one of disable, allow" },
            { "sqlite", "SQLITE_JOURNAL_MODE=fast", "SQLITE_JOURNAL_MODE is 'fast'; it takes one of wal" },
            { "sqlite", "SQLITE_SYNCHRONOUS=2", "SQLITE_SYNCHRONOUS is '2'; it takes one of normal" },
            { "sqlite", "SQLITE_FOREIGN_KEYS=yes", "SQLITE_FOREIGN_KEYS is 'yes'; it takes one of on, off" },
            { "sqlite", "SQLITE_RUNTIME_BUSY_TIMEOUT=soon", "SQLITE_RUNTIME_BUSY_TIMEOUT is 'soon'; it takes seconds" },
        }) do
            local r = run(open:format(case[1]), case[2] .. "\n")
            assert.equal(1, r.status)
            assert.matches("error: " .. case[3], r.stderr, 1, true)
            assert.matches("misuse error", r.stderr, 1, true)
        end
    end)

    it("is refused where tests would run on the app's database", function()
        local r = run(show, "PG_NAME=shop\nPG_TEST_NAME=shop\n")
        assert.equal(1, r.status)
        assert.matches("refused: pg_test is the app's own database", r.stderr, 1, true)
        assert.matches("PG_TEST_NAME", r.stderr)
    end)
end)
