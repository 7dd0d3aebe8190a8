-- SPDX-License-Identifier: MIT

local helper = require("spec.helper")
local json = require("dkjson")

-- What doctor says as a table, and its connections by name.
local function ask(env, dir)
    local r = helper.run({ "doctor", "--json" }, { env = env, dir = dir })
    assert.equal("", r.stderr)
    local report = json.decode(r.stdout)
    local found = {}
    for _, finding in ipairs(report.connections) do
        found[finding.name] = finding
    end
    return r, report, found
end

describe("eloquent doctor", function()
    it("finds SQLite working where nothing is configured, and makes no file", function()
        local dir = helper.tmpdir()
        local r, report, found = ask(nil, dir)
        assert.equal(0, r.status)
        assert.same({ name = "sqlite" }, report.default)
        assert.equal("new", found.sqlite.state)
        assert.equal("unused", found.pg.state)
        assert.is_nil(helper.read(dir .. "/storage/app.sqlite"))
        assert.is_false(require("eloquent.core.host").exists(dir .. "/storage"))
    end)

    it("opens what is there", function()
        local r, _, found = ask({ SQLITE_PATH = ":memory:" })
        assert.equal(0, r.status)
        assert.equal("works", found.sqlite.state)
        assert.equal("sqlite", found.sqlite.product)
        assert.matches("^3%.%d+%.%d+$", found.sqlite.version)
    end)

    it("ends with 4 when the default cannot be reached, and shows no password", function()
        local env = { DB_CONNECTION = "pg", PG_HOST = "127.0.0.1", PG_PORT = "1" }
        env.PG_PASSWORD = "s3cr3t"
        local r, _, found = ask(env)
        assert.equal(4, r.status)
        assert.equal("fails", found.pg.state)
        assert.equal("connect", found.pg.kind)
        assert.matches("127%.0%.0%.1:1", found.pg.error)
        assert.not_matches("s3cr3t", r.stdout)
        local plain = helper.run({ "doctor" }, { env = env })
        assert.equal(4, plain.status)
        assert.matches("\nfails +%*pg ", plain.stdout)
        assert.matches("password +set +PG_PASSWORD\n", plain.stdout)
        assert.not_matches("s3cr3t", plain.stdout .. plain.stderr)
    end)

    it("says which variables are ignored", function()
        local r = helper.run({ "doctor" }, { env = { DB_MYSQL_CONNECTION = "mysql" } })
        assert.equal(0, r.status)
        assert.matches("\nignored  DB_MYSQL_CONNECTION: ", r.stdout)
    end)

    it("names what is misspelled in .env, and leaves the environment alone", function()
        local dir = helper.tmpdir()
        helper.write(dir, ".env", table.concat({
            "DB_CONECTION=sqlite", "PG_TEST_MIGRATION_PASSWORD=x", "MYSQL_HOST=x", "MONGO_URL=mongodb://localhost",
            "SQLITE_PATH=:memory:", "PG_WHATEVER_ELSE=1", "DB_MYSQL_CONNECTION=mysql", "OTHER_DB=x", "MONGO_DB_NAME=x",
            "DB_CONECTION=again",
        }, "\n"))
        local env = { DB_HOSTT = "elsewhere" }
        local r, report = ask(env, dir)
        assert.equal(0, r.status)
        assert.same({
            { name = "DB_CONECTION", near = "DB_CONNECTION" },
            { name = "MYSQL_HOST", near = "DB_HOST" },
            { name = "MONGO_URL", near = "MONGO_URI" },
            { name = "PG_WHATEVER_ELSE" },
        }, report.unknown)
        assert.same({ "DB_MYSQL_CONNECTION" }, report.ignored)
        local text = helper.run({ "doctor" }, { env = env, dir = dir }).stdout
        assert.matches("\nignored  DB_CONECTION in %.env means nothing here; did you mean 'DB_CONNECTION'%?\n", text)
        assert.matches("\nignored  PG_WHATEVER_ELSE in %.env means nothing here\n", text)
        assert.not_matches("HOSTT", text)
    end)

    it("explains a default that is a list or unknown, and looks at the others", function()
        local r, report, found = ask({ DB_CONNECTION = "mysql,pg", SQLITE_PATH = ":memory:" })
        local _
        assert.equal(4, r.status)
        assert.matches("ONE name", report.default.error)
        assert.equal("works", found.sqlite.state)
        _, report = ask({ DB_CONNECTION = "postgres" })
        assert.matches("pg", report.default.error)
    end)

    it("reports a malformed .env", function()
        local dir = helper.tmpdir()
        helper.write(dir, ".env", "what is this\n")
        local r, report = ask(nil, dir)
        assert.equal(1, r.status)
        assert.matches("%.env", report.env_file.error)
    end)

    -- The servers of script/servers.
    for name, prefix in pairs({ pg = "PG", mysql = "DB" }) do
        it("reaches a " .. name .. " server and names its version and zone", function()
            local env = helper.servers(name)
            local r, _, found = ask(env)
            assert.equal(0, r.status)
            assert.equal("works", found[name].state)
            assert.matches("^%d+%.%d+", found[name].version)
            assert.is_true(found[name].time_zone == "UTC" or found[name].time_zone == "+00:00")
            if name == "mysql" then
                assert.matches("STRICT", found[name].sql_mode)
            end
            env[prefix .. "_PASSWORD"] = "wr0ng"
            r, _, found = ask(env)
            assert.equal(4, r.status)
            assert.equal("auth", found[name].kind)
            assert.not_matches("wr0ng", r.stdout)
        end)
    end

    -- Variables of an app that has all four stores.
    local function all_stores()
        local env = helper.servers("pg", "mysql", "mongo")
        env.DB_CONNECTION, env.SQLITE_PATH = "sqlite", ":memory:"
        return env
    end

    -- The program without its driver modules; returns its path.
    local function copy_program(dir)
        local path = dir .. "/bin/eloquent"
        local copy = ("mkdir %s/bin && cp %s %s"):format(dir, helper.quote(helper.binary()), path)
        assert.equal(0, helper.shell(copy).status)
        return path
    end

    local stores = { "sqlite", "pg", "mysql", "mongo" }

    -- The variables as the app's .env file.
    local function write_env(dir, variables)
        local lines = {}
        for name, value in pairs(variables) do
            lines[#lines + 1] = ("%s=%s\n"):format(name, value)
        end
        helper.write(dir, ".env", table.concat(lines))
    end

    it("says of all four stores of an .env whether they can be reached, and their versions", function()
        local dir, env = helper.tmpdir(), all_stores()
        write_env(dir, env)
        local r, report, found = ask(nil, dir)
        assert.equal(0, r.status)
        assert.is_true(report.env_file.found)
        for _, name in ipairs(stores) do
            assert.same({ name, "works", true, name == "sqlite" },
                { name, found[name].state, found[name].configured, found[name].default })
            assert.matches("^%d+%.%d+", found[name].version)
            assert.equal("string", type(found[name].target))
        end
        local plain = helper.run({ "doctor" }, { dir = dir })
        local products = { "%*sqlite +sqlite 3", " pg +postgresql %d", " mysql +m%a+ %d", " mongo +mongodb %d" }
        for _, product in ipairs(products) do
            assert.matches("\nworks +" .. product, plain.stdout)
        end
    end)

    it("says of each that is down what was tried, and of the others that they work", function()
        local down = {
            pg = { PG_PORT = "1" }, mysql = { DB_PORT = "1" },
            mongo = { MONGO_URI = "mongodb://me:s3cr3t@127.0.0.1:1" },
            sqlite = { SQLITE_PATH = "." },
        }
        for name, changes in pairs(down) do
            local dir, env = helper.tmpdir(), all_stores()
            for key, value in pairs(changes) do
                env[key] = value
            end
            write_env(dir, env)
            local r, _, found = ask(nil, dir)
            assert.equal(name == "sqlite" and 4 or 0, r.status) -- the default one
            for _, other in ipairs(stores) do
                if other ~= name then
                    assert.same({ other, "works" }, { other, found[other].state })
                else
                    assert.equal("fails", found[name].state)
                    assert.matches(name == "sqlite" and "can't open ." or "127.0.0.1:1", found[name].error, 1, true)
                    assert.equal("connect", found[name].kind)
                end
            end
            assert.not_matches("s3cr3t", r.stdout, 1, true)
        end
    end)

    -- MongoDB's client library makes a file for its counters, and says so when one of a killed process is in its way.
    it("prints nothing but its own report, and no client library's", function()
        local dir = helper.tmpdir()
        local r = helper.shell(([[
            sh -c 'echo $$ >pid; : >/dev/shm/mongoc-$$; exec "$0" doctor' %s
            status=$?
            rm -f /dev/shm/mongoc-$(cat pid)
            exit $status
        ]]):format(helper.quote(helper.binary())), { dir = dir })
        assert.same({ status = 0, stderr = "" }, { status = r.status, stderr = r.stderr })
        assert.matches("\nunused +mongo", r.stdout)
    end)

    it("leaves the environment as it was to those who load a driver", function()
        local code = [[
            local function seen()
                local pipe <close> = io.popen("env | grep ^MONGOC_; ls /dev/shm | grep -c -x mongoc-$PPID")
                return tostring(os.getenv("MONGOC_DISABLE_SHM")) .. " " .. pipe:read("a"):gsub("%s+", " ")
            end
            os.execute("rm -f /dev/shm/mongoc-$PPID") -- of another process of that number
            local before = seen()
            local ok, err = pcall(function() return require("eloquent").connection("mongo"):command({ ping = 1 }) end)
            print(ok, err.kind, before == seen(), seen())
        ]]
        local env = { MONGO_URI = "mongodb://127.0.0.1:1/none" }
        local expected = "false\tconnect\ttrue\t%s 0 \n"
        assert.equal(expected:format("nil"), helper.run_code(code, { env = env }).stdout)
        env.MONGOC_DISABLE_SHM = "yes"
        assert.equal(expected:format("yes MONGOC_DISABLE_SHM=yes"), helper.run_code(code, { env = env }).stdout)
    end)

    it("says which package a driver needs whose module is not there", function()
        local dir, env = helper.tmpdir(), all_stores()
        write_env(dir, env)
        local alone = copy_program(dir)
        local installed = helper.shell(alone .. " --version").stdout
        local packages = { pg = "libpq-dev", mysql = "libmariadb-dev", mongo = "libmongoc-dev" }
        for _, file in ipairs({ true, false }) do -- configured, and not
            if not file then
                os.remove(dir .. "/.env")
            end
            local plain = helper.shell(alone .. " doctor", { dir = dir }).stdout
            for name, package in pairs(packages) do
                if installed:find(name .. " +missing") then
                    local state = file and "fails" or "unused"
                    local said = plain:match("\n" .. state .. " +" .. name .. " +([^\n]*)")
                    assert(said, plain)
                    assert.matches("apt-get install " .. package, said, 1, true)
                    assert.matches("eloquent_" .. name .. ".so", said, 1, true)
                end
            end
            assert.matches(file and "\nworks +%*sqlite" or "\nnew +%*sqlite", plain)
        end
        assert.matches("missing", installed) -- unless it is installed on this machine, too
    end)

    it("says which package is missing when a module can't be loaded", function()
        local dir, env = helper.tmpdir(), all_stores()
        write_env(dir, env)
        local alone = copy_program(dir)
        for name, package in pairs({ pg = "libpq5", mysql = "libm", mongo = "libmongoc" }) do
            helper.write(dir, "bin/eloquent_" .. name .. ".so", "this is no library")
            local found
            local report = json.decode(helper.shell(alone .. " doctor --json", { dir = dir }).stdout)
            for _, finding in ipairs(report.connections) do
                found = finding.name == name and finding or found
            end
            assert.same({ "fails", "unsupported" }, { found.state, found.kind })
            assert.matches("apt-get install " .. package, found.error, 1, true)
        end
    end)

    it("reaches a MongoDB server and says whether it has transactions", function()
        local env = helper.servers("mongo")
        local r, _, found = ask(env)
        assert.equal(0, r.status)
        assert.equal("works", found.mongo.state)
        assert.matches("^%d+%.%d+", found.mongo.version)
        assert.matches("^yes, replica set", found.mongo.transactions)
        env.MONGO_URI = os.getenv("EL_SPEC_MONGO_SECURE_URI")
        r, _, found = ask(env)
        assert.equal(0, r.status)
        assert.matches("^no: ", found.mongo.transactions)
        env.MONGO_URI = env.MONGO_URI:gsub("eloquent:[^@]*@", "eloquent:wr0ng@")
        r, _, found = ask(env)
        assert.equal(4, r.status)
        assert.equal("auth", found.mongo.kind)
        assert.not_matches("wr0ng", r.stdout)
        env.MONGO_URI = "mongodb://127.0.0.1:1"
        r, _, found = ask(env)
        assert.equal(4, r.status)
        assert.equal("connect", found.mongo.kind)
    end)
end)
